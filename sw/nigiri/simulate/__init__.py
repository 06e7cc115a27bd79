"""Discrete-event simulation: any policy over several devices and millions of queries, timed by a latency table."""
from nigiri.simulate.core import simulate
from nigiri.simulate.faults import Fault, kill_every
from nigiri.simulate.queries import Queries
from nigiri.simulate.trace import SimulationSummary, Status, Trace

__all__ = ["Fault", "Queries", "SimulationSummary", "Status", "Trace", "kill_every", "simulate"]
