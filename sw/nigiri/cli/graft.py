"""`nigiri graft`: plans a server for the rear parts of many clients' SubNets."""
from __future__ import annotations

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

    from nigiri.graft.clients import clients as drawn
    from nigiri.graft.clients import fragments_at
    from nigiri.graft.compare import METHODS, floor, measured, static
    from nigiri.graft.workloads import networks, own_times, profiles, workload_of
    from nigiri.traffic.bandwidth import KINDS, read_bandwidth, synthetic

    chosen = workload_of(network)
    traces = [synthetic(trace, 600, seed + n) for n in range(3)] if trace in KINDS else [read_bandwidth(Path(trace))]
    found = networks(chosen)
    plain, cached = profiles(chosen, found, say=say)
    many = drawn(plain, own_times(chosen, found), traces, clients, seed)
    fragments, missed = fragments_at(plain, many, at)
    fixed = static(plain, many)
    rows: list[dict[str, Any]] = [
        {"method": m.name} | measured(m, plain, cached, fixed if m.static else many, [at], seed=seed) for m in METHODS]
    least = floor(plain, fragments)
    if json:
        emit({"network": network, "server": chosen.server, "client": chosen.client, "clients": clients, "trace": trace,
              "at_s": at, "fragments": len(fragments), "missed": missed, "seed": seed, "floor": least, "methods": rows})
        return
    title = (f"{network} on {chosen.server}: {len(fragments)} fragments of {clients} clients, {missed} cannot be in "
             f"time; no plan with shares is below {least:.2f}")
    view = Table("method", "devices' worth", "saved, %", "devices", "instances", "in time, of planned %", "of all %",
                 "planning, ms", title=title)
    alone = rows[0]["devices"]
    for r in rows:
        saved = f"{100 * (1 - r['devices'] / alone):.0f}" if alone else "0"
        view.add_row(r["method"], f"{r['devices']:.2f}", saved, f"{r['placed']:g}", f"{r['instances']:g}",
                     f"{100 * min(r['sliced'], r['whole']):.2f}", f"{100 * r['attainment']:.2f}",
                     f"{1e3 * r['seconds']:.0f}")
    Console().print(view)
