"""SUSHI end to end: streams of queries served with and without a cache, and with and without its scheduler."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nigiri.energy import energy_for_memory, energy_mj
from nigiri.reproduce.published import SUSHI_END_TO_END
from nigiri.reproduce.workloads import FAMILIES, shipped_table
from nigiri.sched import (
    ExpectedSaving,
    FixedCache,
    LatencyTable,
    NearestVector,
    NoCache,
    Policy,
    Query,
    Summary,
    SushiSched,
    TableServer,
    serve,
    summarise,
)
from nigiri.sched.offline import OfflineOptimum
from nigiri.sched.query import Goal
from nigiri.sched.stream import KINDS, StreamSettings, query_stream

__all__ = ["MACHINE", "Request", "sushi_end_to_end"]

MACHINE = "zcu104@300"
PERIODS = (1, 2, 4, 8, 16, 32, 64)
COUNTS = (1, 2, 4, 8, 16, 40, 80, 160, 500)
GOALS: tuple[Goal, ...] = ("strict_accuracy", "strict_latency")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    families: of SubNets.  queries: of each stream.  period: Q.  subgraphs: |S|, the empty one included; 0 for all.
    """

    families: tuple[str, ...] = FAMILIES
    machine: str = MACHINE
    queries: int = 4000
    phase: int = 100
    period: int = 8
    subgraphs: int = 40
    seed: int = 2026


def _policies(queries: Sequence[Query], goal: Goal, period: int) -> list[Policy]:
    return [FixedCache(goal, on_miss="best"),
            SushiSched(goal, period=period, distance=NearestVector(kernels=False), on_miss="best", name="vector"),
            SushiSched(goal, period=period, distance=ExpectedSaving(), on_miss="best", name="saving"),
            OfflineOptimum(queries, goal, period=period, on_miss="best")]


def _row(name: str, s: Summary, memory: str) -> dict[str, Any]:
    energy = energy_mj(energy_for_memory(memory), dram_bytes=s.dram_bytes["total"], pb_bytes=s.pb_bytes, macs=s.macs)
    return {"policy": name, "mean_latency_ms": s.mean_latency_ms, "p99_latency_ms": s.p99_latency_ms,
            "served_accuracy": s.served_accuracy, "accuracy_met": s.accuracy_met, "latency_met": s.latency_met,
            "hit_bytes": s.pb_hit, "hit_norm": s.norm_hit, "cache_changes": s.cache_changes,
            "offchip_mib": s.dram_bytes["total"] / 2**20, "weight_mib": (s.dram_bytes["weights"]) / 2**20,
            "fill_mib": s.dram_bytes["fill"] / 2**20, "offchip_mj": energy["dram"], "energy_mj": energy["total"]}


def _serve(queries: Sequence[Query], policy: Policy, table: LatencyTable, memory: str) -> dict[str, Any]:
    return _row(policy.name, summarise(serve(queries, policy, table, TableServer(table)), table), memory)


def _compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_name = {r["policy"]: r for r in rows}
    none = by_name["no PB"]
    return {name: {"latency_saved": 1 - r["mean_latency_ms"] / none["mean_latency_ms"],
                   "accuracy_gained": r["served_accuracy"] - none["served_accuracy"],
                   "offchip_energy_saved": 1 - r["offchip_mib"] / none["offchip_mib"],
                   "over_optimum": r["mean_latency_ms"] / by_name["optimum"]["mean_latency_ms"] - 1}
            for name, r in by_name.items()}


def _stream(table: LatencyTable, plain: LatencyTable, kind: Any, goal: Goal, r: Request) -> dict[str, Any]:
    settings = StreamSettings(queries=r.queries, kind=kind, phase=r.phase, levels=len(table.subnets), load=0,
                              seed=r.seed)
    memory = str(table.source["memory"])
    # Latency targets are those that the machine without a persistent buffer can meet.
    queries = query_stream(plain, settings)
    rows = [_row("no PB", summarise(serve(queries, NoCache(goal, on_miss="best"), plain, TableServer(plain)), plain),
                 memory)]
    rows += [_serve(queries, p, table, memory) for p in _policies(queries, goal, r.period)]
    return {"stream": kind, "goal": goal, "rows": rows, "against_no_pb": _compare(rows)}


def _sweeps(table: LatencyTable, plain: LatencyTable, r: Request) -> dict[str, Any]:
    settings = StreamSettings(queries=r.queries, phase=r.phase, levels=len(table.subnets), load=0, seed=r.seed)
    queries, memory = query_stream(plain, settings), str(table.source["memory"])

    def both(t: LatencyTable, period: int) -> dict[str, Any]:
        found = {row["policy"]: row for p in _policies(queries, "strict_accuracy", period)[1:3]
                 for row in [_serve(queries, p, t, memory)]}
        return {name: {k: row[k] for k in ("mean_latency_ms", "offchip_mib", "hit_bytes", "hit_norm", "cache_changes")}
                for name, row in found.items()}

    counts = [n for n in COUNTS if n < len(table.subgraphs)] + [len(table.subgraphs)]
    small = table.first(r.subgraphs or len(table.subgraphs))
    return {"subgraphs": [{"count": n, **both(table.first(n), r.period)} for n in counts],
            "period": [{"period": q, **both(small, q)} for q in PERIODS]}


def sushi_end_to_end(r: Request, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Everything, with its conditions.

    Raises
    ------
    TableError: no latency table of a family on the machine comes with the package.
    """
    out: dict[str, Any] = {"conditions": {
        "machine": r.machine, "queries": r.queries, "phase": r.phase, "period": r.period, "subgraphs": r.subgraphs,
        "seed": r.seed, "published": SUSHI_END_TO_END,
        "latency": "cycle model, random weights; queries follow each other without rest, so every fill is paid in full",
        "no_pb": "the same on-chip memory without a persistent buffer: the dynamic buffer has it",
        "vector": "SushiSched with the published rule, the nearest vector [K, C] of the last Q SubNets",
        "saving": "SushiSched with our rule, expected cycles saved less the fill",
        "optimum": "cache decisions every Q queries with the stream known, by dynamic programming",
        "offchip_energy": "in proportion to all off-chip bytes, fills included"}, "families": {}}
    for family in r.families:
        full, plain = shipped_table(family, r.machine), shipped_table(family, f"{r.machine}-nopb")
        table = full.first(r.subgraphs or len(full.subgraphs))
        found = []
        for goal in GOALS:
            for kind in KINDS:
                progress(f"{family}: {kind} stream, {goal}")
                found.append(_stream(table, plain, kind, goal, r))
        progress(f"{family}: sweeps")
        out["families"][family] = {
            "subnets": [{"name": s.name, "accuracy": s.accuracy, "ms": table.latency_ms(i, 0),
                         "ms_without_pb": plain.latency_ms(i, 0)} for i, s in enumerate(table.subnets)],
            "source": table.source, "streams": found, "sweeps": _sweeps(full, plain, r)}
    return out
