"""`nigiri bench scheduler`: how long a decision takes, how fast the simulator is, and how well latency is predicted."""
from __future__ import annotations

from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say

__all__ = ["bench_scheduler"]


def bench_scheduler(
        subnets: Annotated[int, typer.Option(help="Rows of the latency table.")] = 50,
        subgraphs: Annotated[int, typer.Option(help="Columns of the latency table.")] = 500,
        decisions: Annotated[int, typer.Option(help="Decisions to time, in each of five rounds.")] = 50_000,
        queries: Annotated[int, typer.Option(help="Queries to simulate, in each of three rounds.")] = 400_000,
        rtl: Annotated[int, typer.Option(help="Queries to serve on the simulated RTL, each compared with its "
                                              "predicted latency; 0 for none.")] = 0,
        config: Annotated[str, typer.Option(help="Configuration of the RTL.")] = "pynq_z2",
        seed: Annotated[int, typer.Option(help="Of tables and queries.")] = 2026,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Time of a decision by SushiSched, queries a second of the simulator, and, with --rtl, error of predictions."""
    need("simpy", "sched")
    from nigiri.sched.bench import measure
    from nigiri.simulate.bench import simulator_speed

    data: dict[str, Any] = measure(subnets, subgraphs, decisions, seed, say)
    data |= simulator_speed(subnets, subgraphs, queries, seed, say)
    if rtl:
        need("nigiri_sim.device", "sim")
        from nigiri.demo.predicted import predicted

        data["rtl"] = predicted(config, rtl, seed, say)
    if json:
        emit(data)
        return
    print(f"{subnets} SubNets x {subgraphs} SubGraphs, {decisions:,} decisions, seed {seed}")
    for name, x in data["by_policy"].items():
        print(f"{name:24} p50 {x['p50']:6.2f} us  p99 {x['p99']:6.2f} us  mean {x['mean']:6.2f} us")
    for name, speed in data["simulator"].items():
        print(f"simulator, {name:24} {speed:,.0f} queries/s")
    if rtl:
        r = data["rtl"]
        print(f"RTL of {r['config']}: {r['queries']} queries, {r['cache_changes']} cache changes, latency predicted "
              f"within {100 * r['worst_error']:.2f} % (mean {100 * r['mean_error']:.3f} %)")
