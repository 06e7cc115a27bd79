"""`nigiri graft`: plans a server for the rear parts of many clients' SubNets."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say

__all__ = ["graft"]


def graft(network: Annotated[str, typer.Argument(help="cifar, ofa_mbv3_w10, ofa_mbv3_w12 or ofa_resnet50.")] = "cifar",
          clients: Annotated[int, typer.Option(min=1, max=2000, help="How many.")] = 50,
          trace: Annotated[str, typer.Option(help="lte, 5g, or a CSV with the columns time_s and mbit_s.")] = "lte",
          at: Annotated[float, typer.Option(min=0.0, help="Moment of the trace, s.")] = 0.0,
          seed: Annotated[int, typer.Option(help="Of clients and traces.")] = 0,
          json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Devices' worth by method, and how the plans do when requests arrive.  ofa_resnet50 takes minutes to profile."""
    need("rich", "cli")
    need("scipy", "sched")
    from rich.console import Console
    from rich.table import Table

    from nigiri.graft.align import Settings
    from nigiri.graft.check import check
    from nigiri.graft.clients import clients as drawn
    from nigiri.graft.clients import fragments_at
    from nigiri.graft.place import place
    from nigiri.graft.plan import Planner
    from nigiri.graft.simulate import replay
    from nigiri.graft.workloads import networks, own_times, profiles, workload_of
    from nigiri.traffic.bandwidth import KINDS, read_bandwidth, synthetic

    chosen = workload_of(network)
    found = networks(chosen)
    plain, cached = profiles(chosen, found, say=say)
    traces = [synthetic(trace, 600, seed + n) for n in range(3)] if trace in KINDS else [read_bandwidth(Path(trace))]
    many = drawn(plain, own_times(chosen, found), traces, clients, seed)
    fragments, missed = fragments_at(plain, many, at)
    alone = Settings(across=False, realign=False)
    rows: list[dict[str, Any]] = []
    for name, planner in (("every fragment alone", Planner(plain, alone, merging=False)),
                          ("merged", Planner(plain, alone)), ("re-aligned", Planner(plain, Settings(across=False))),
                          ("re-aligned, shared prefixes and SubGraph", Planner(cached))):
        began = time.perf_counter()
        plan = planner.plan(fragments)
        ms = 1e3 * (time.perf_counter() - began)
        check(planner.profile, plan)
        rows.append({"method": name, "devices": plan.total, "placed": len(place(plan).devices),
                     "stages": len(plan.stages), "refused": len(plan.refused),
                     "attainment": replay(planner.profile, plan, 10.0, seed).attainment, "planning_ms": ms})
    if json:
        emit({"network": network, "server": chosen.server, "client": chosen.client, "clients": clients, "trace": trace,
              "fragments": len(fragments), "missed": missed, "seed": seed, "methods": rows})
        return
    view = Table("method", "devices' worth", "devices", "stages", "in time, %", "planning, ms",
                 title=f"{network} on {chosen.server}: {len(fragments)} fragments of {clients} clients, "
                       f"{missed} cannot be in time")
    for r in rows:
        view.add_row(r["method"], f"{r['devices']:.2f}", str(r["placed"]), str(r["stages"]),
                     f"{100 * r['attainment']:.2f}", f"{r['planning_ms']:.0f}")
    Console().print(view)
