"""Counters of a run in the groups that reports use."""
from __future__ import annotations

from nigiri.runtime.counters import Counters

__all__ = ["dram_bytes", "stalls"]


def dram_bytes(c: Counters, fill: int = 0) -> dict[str, int]:
    """Off-chip bytes by kind, and their total."""
    kinds = {"weights": c.bytes_weights_dram, "tables": c.bytes_tables, "act_in": c.bytes_act_in,
             "act_out": c.bytes_act_out, "descriptors": c.bytes_descriptors, "fill": fill}
    return {**kinds, "total": sum(kinds.values())}


def stalls(c: Counters) -> dict[str, int]:
    """Cycles in which the array took no step, by cause; "other" is what no counter claims."""
    causes = {"weights": c.stall_weights, "activations": c.stall_activations, "requant": c.stall_requant,
              "writeback": c.stall_writeback, "descriptor": c.stall_descriptor}
    return {**causes, "other": max(0, c.cycles - c.busy - sum(causes.values()))}
