"""Several boards behind one queue: what they cache, and where queries go, in simulation."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nigiri import bundle
from nigiri.compiler import compile_network
from nigiri.reproduce.workloads import shipped_table
from nigiri.runtime.errors import BadArgument
from nigiri.sched.placement import ClusterCache, ClusterPolicy, place
from nigiri.sched.policy import FixedCache, Policy
from nigiri.sched.predicted import predicted_table
from nigiri.sched.routing import ROUTERS, get_router
from nigiri.sched.stream import StreamSettings, query_stream
from nigiri.sched.sushi import SushiSched
from nigiri.sched.table import LatencyTable
from nigiri.simulate.core import simulate
from nigiri.simulate.queries import Queries
from nigiri.spec import get_config

__all__ = ["FAMILIES", "Request", "cluster"]

DEMO = "demo"
FAMILIES = (DEMO, "mobilenet_v3_160", "resnet50")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    families: "demo" on pynq_z2, others on zcu104@300.  devices: counts of boards.  loads: mean arrival rate times mean
    service time without a cache, by board.
    """

    families: tuple[str, ...] = FAMILIES
    devices: tuple[int, ...] = (1, 2, 4)
    loads: tuple[float, ...] = (0.3, 0.7)
    queries: int = 8000
    phase: int = 400
    subgraphs: int = 40
    seed: int = 2026


def _table(family: str, subgraphs: int) -> LatencyTable:
    if family == DEMO:
        loaded = bundle.load(bundle.demo_path())
        return predicted_table(compile_network(loaded.network, get_config("pynq_z2")), loaded.subnets,
                               subgraphs=subgraphs)
    return shipped_table(family, "zcu104@300").first(subgraphs)


def _policies(name: str, table: LatencyTable, devices: int, busy: float) -> Callable[[], Policy]:
    if name == "same":
        column = place(table, 1)[0]
        return lambda: FixedCache(column=column, on_miss="best")
    if name == "sushi":
        return lambda: SushiSched(distance="saving", on_miss="best")
    if name == "placed":
        columns = iter(place(table, devices, None, busy))
        return lambda: FixedCache(column=next(columns), on_miss="best")
    shared, numbers = ClusterCache(devices, busy=busy), iter(range(devices))
    return lambda: ClusterPolicy(shared, next(numbers))


POLICIES = {"same": "the one SubGraph that is best for all SubNets, on every board",
            "sushi": "every board changes its own, by what it served (SUSHI)",
            "placed": "different ones, chosen together for SubNets that are all wanted alike",
            "cluster": "different ones, chosen together for what was asked lately"}


def cluster(request: Request, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Every policy with every router, on the same streams; raises BadArgument for an unknown family."""
    for family in request.families:
        if family not in FAMILIES:
            raise BadArgument(f"unknown family {family!r}: choose one of {', '.join(FAMILIES)}")
    rows: list[dict[str, Any]] = []
    for family in request.families:
        table = _table(family, request.subgraphs)
        for kind in ("random", "phased"):
            for load in request.loads:
                for devices in request.devices:
                    say(f"{family}, {kind} stream, load {load:g}, {devices} boards")
                    stream = Queries.of(query_stream(table, StreamSettings(
                        queries=request.queries, kind=kind, phase=request.phase, load=load * devices,
                        seed=request.seed)))
                    for policy in POLICIES:
                        for router in ("round-robin", "locality") if devices > 1 else ("locality",):
                            made = _policies(policy, table, devices, load)
                            s = simulate(stream, made, table, devices=devices, order="arrival",
                                         router=get_router(router)).summary()
                            rows.append({
                                "family": family, "stream": kind, "load": load, "devices": devices, "policy": policy,
                                "router": router, "service_ms": s.mean_service_ms, "response_ms": s.mean_response_ms,
                                "p99_response_ms": s.p99_response_ms, "hit_bytes": s.hit_bytes,
                                "dram_kib_per_query": s.dram_bytes / s.served / 1024, "changes": s.cache_changes})
    return {"seed": request.seed, "queries": request.queries, "phase": request.phase, "policies": POLICIES,
            "routers": sorted(ROUTERS), "tables": {f: "pynq_z2" if f == DEMO else "zcu104@300"
                                                   for f in request.families}, "rows": rows}
