"""The scheduler: which SubNet serves a query, and which SubGraph stays in the persistent buffer."""
from __future__ import annotations

from nigiri.sched.benefit import Roofline
from nigiri.sched.candidates import candidates
from nigiri.sched.errors import SchedulerError, TableError, UnreachableAccuracy, UnreachableLatency
from nigiri.sched.policy import FixedCache, NoCache, Policy
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.server import Execution, Served, Server, TableServer, serve
from nigiri.sched.stream import StreamSettings, query_stream
from nigiri.sched.subgraph import Candidate, Layer, SubGraph
from nigiri.sched.summary import Summary, summarise
from nigiri.sched.sushi import SushiSched
from nigiri.sched.table import LatencyTable, SubNet, build_table
from nigiri.sched.workload import Workload, workload

__all__ = ["Candidate", "Decision", "Execution", "FixedCache", "LatencyTable", "Layer", "NoCache", "Policy", "Query",
           "Roofline", "SchedulerError", "Served", "Server", "State", "StreamSettings", "SubGraph", "SubNet", "Summary",
           "SushiSched", "TableError", "TableServer", "UnreachableAccuracy", "UnreachableLatency",
           "Workload", "build_table", "candidates", "query_stream", "serve", "summarise", "workload"]
