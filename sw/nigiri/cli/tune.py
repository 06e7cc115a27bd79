"""`nigiri tune`: how fast a good serving configuration is found, and what it is worth on a load that changes."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say

__all__ = ["tune"]


def tune(family: Annotated[str | None, typer.Option(help="Only the workloads of this family of SubNets.")] = None,
         seeds: Annotated[int, typer.Option(help="Runs of each learner.")] = 20,
         windows: Annotated[int, typer.Option(help="With which each configuration is judged.")] = 5,
         evaluations: Annotated[int, typer.Option(help="Of each run.")] = 3000,
         runs: Annotated[int, typer.Option(help="Runs on the changing load.")] = 5,
         seed: Annotated[int, typer.Option(help="Of windows and learners.")] = 2026,
         folder: Annotated[Path, typer.Option(help="Where measured rewards are kept.")] = Path("build/tune"),
         plot: Annotated[Path, typer.Option(help="The picture to write.")] = Path("build/tune/rrl.png"),
         json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """RRL against epsilon-greedy, random and exhaustive search, in simulation; minutes."""
    need("simpy", "sched")
    need("matplotlib", "sched")
    from datetime import date
    from time import process_time

    from nigiri.cli.tune_plot import plot_tuning
    from nigiri.runtime.errors import BadArgument
    from nigiri.tune.changing import ChangingRequest, changing
    from nigiri.tune.study import MACHINE, SUBGRAPHS, WORKLOADS, StudyRequest, environment, study

    chosen = tuple(w for w in WORKLOADS if family in (None, w.family))
    if not chosen:
        known = ", ".join(sorted({w.family for w in WORKLOADS}))
        raise BadArgument(f"unknown family {family!r}: choose one of {known}")
    begin = process_time()
    found = study(StudyRequest(workloads=chosen, windows=windows, evaluations=evaluations, seeds=seeds, seed=seed,
                               folder=folder), say)
    load = changing(ChangingRequest(seeds=runs, seed=seed), say)
    env = environment(chosen[0].family, chosen[0].slo_ms)
    data = {"conditions": {
        "machine": MACHINE, "memory": env.table.source["memory"], "subgraphs": SUBGRAPHS, "windows": windows,
        "queries": env.queries, "cv2": env.cv2, "devices": env.devices, "static": env.static, "seeds": seeds,
        "evaluations": evaluations, "seed": seed, "date": date.today().isoformat(),
        "axes": {a.name: list(a.values) for a in env.space.axes},
        "stretch": {a.name: a.stretch for a in env.space.axes},
        "cost": {"violation": env.cost.violation, "latency": env.cost.latency, "power": env.cost.power},
        "published": {"faster": 8.0, "latency": -0.790, "violations": -0.499},
        "cpu_s": round(process_time() - begin, 1)}, "study": found, "changing": load}
    plot_tuning(data, plot)
    say(f"picture: {plot}")
    if json:
        emit(data)
    else:
        _show(data)


def _count(q: dict[str, Any]) -> str:
    low, middle, high = ("never" if q[k] is None else f"{q[k]:g}" for k in ("q25", "median", "q75"))
    return f"{middle} ({low} to {high}; {q['reached']}/{q['of']})"


def _show(d: dict[str, Any]) -> None:
    for w in d["study"]:
        print(f"\n{w['family']}, {w['rate']:g} queries/s, due in {w['slo_ms']:g} ms: best cost {w['best_cost']:.3f}, "
              f"{w['near']} of {w['configurations']} configurations within 5 %")
        print(f"{'evaluations to within 5 %, median':34} {'first time':34} and stays")
        for row in w["rows"] + w["ablation"]:
            print(f"{row['learner']:34} {_count(row['first']):34} {_count(row['stays'])}")
    c = d["changing"]
    print(f"\nchanging load, mean {c['conditions']['mean_rate']:g} queries/s (sized for the mean: {c['sized']})")
    print(f"{'':16} violations   mean ms   p99 ms   power    cost")
    for row in c["rows"]:
        for n, p in enumerate(row["passes"]):
            name = row["name"] + (f", pass {n + 1}" if len(row["passes"]) > 1 else "")
            print(f"{name:24} {100 * p['violations']:6.2f} % {p['mean_ms']:8.3f} {p['p99_ms']:8.3f} "
                  f"{100 * p['power']:6.1f} % {p['cost']:7.3f}")
