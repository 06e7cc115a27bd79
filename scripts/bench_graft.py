"""Graft on several SuperNets and bandwidth traces: devices' worth by method at equal attainment, gap to the optimum,
planning time.  Writes docs/results/graft.json and docs/img/graft.png; ``python scripts/bench_graft.py [--json]``."""
from __future__ import annotations

import datetime
import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer

from nigiri.graft.align import Settings
from nigiri.graft.check import check
from nigiri.graft.clients import Client, clients, fragments_at
from nigiri.graft.fragment import Plan
from nigiri.graft.optimum import optimum
from nigiri.graft.place import place
from nigiri.graft.plan import Planner
from nigiri.graft.profile import Profile
from nigiri.graft.simulate import replay
from nigiri.graft.workloads import WORKLOADS, networks, own_times, profiles
from nigiri.traffic.bandwidth import synthetic

ROOT = Path(__file__).parents[1]
ALONE = Settings(across=False, realign=False)
METHODS = ("alone", "static", "static, merged", "merged", "graft", "graft, prefixes", "graft, prefixes, cache")


def planner(method: str, plain: Profile, cached: Profile) -> Planner:
    """How a method plans; static ones differ in their clients."""
    if method in ("alone", "static"):
        return Planner(plain, ALONE, merging=False)
    if method in ("merged", "static, merged"):
        return Planner(plain, ALONE)
    if method == "graft":
        return Planner(plain, Settings(across=False))
    return Planner(cached if "cache" in method else plain, Settings())


def static(profile: Profile, many: list[Client]) -> list[Client]:
    """Clients that keep the cut that is best at the mean of their trace."""
    out = []
    for c in many:
        found, _ = fragments_at(profile, [replace(c, trace=_mean(c))], 0)
        out.append(replace(c, fixed=found[0].first if found else 0))
    return out


def _mean(c: Client) -> Any:
    return replace(c.trace, mbit_s=(c.trace.mean,))


def row(profile: Profile, plan: Plan, missed: int, count: int, seconds: float) -> dict[str, Any]:
    """What a plan takes and how it does; clients without a fragment in time count as missed."""
    check(profile, plan)
    got = replay(profile, plan, 20.0)
    share = (count - missed) / count
    return {"devices": plan.total, "placed": len(place(plan).devices), "stages": len(plan.stages),
            "refused": len(plan.refused), "missed": missed, "attainment": got.attainment * share,
            "of_planned": got.attainment, "launch": got.mean_size, "seconds": seconds}


def compared(plain: Profile, cached: Profile, many: list[Client], times: list[float]) -> dict[str, Any]:
    """Every method at several moments of the traces."""
    out: dict[str, list[dict[str, Any]]] = {m: [] for m in METHODS}
    fixed = static(plain, many)
    for at in times:
        for m in METHODS:
            fragments, missed = fragments_at(plain, fixed if m.startswith("static") else many, at)
            p = planner(m, plain, cached)
            began = time.perf_counter()
            plan = p.plan(fragments)
            out[m].append(row(p.profile, plan, missed, len(many), time.perf_counter() - began))
    return {m: {k: float(np.mean([r[k] for r in rows])) for k in rows[0]} for m, rows in out.items()}


FINE = Settings(across=False, points=10, grid=tuple(n / 9 for n in range(1, 9)))
"""What the optimum tries: a little more than plans do, of every partition."""


def gaps(plain: Profile, many: list[Client], tries: int, seed: int) -> list[float]:
    """Plans of a few fragments against the best partition."""
    rng, out = random.Random(seed), []
    while len(out) < tries:
        few = rng.sample(many, 5)
        fragments, _ = fragments_at(plain, few, rng.uniform(0, 500))
        p = Planner(plain, Settings(across=False)).plan(fragments)
        if len(fragments) < 3 or p.refused:
            continue
        best = optimum(plain, fragments, FINE)
        out.append(p.total / best - 1)
    return out


def replanned(plain: Profile, many: list[Client], seconds: int) -> dict[str, float]:
    """Following the traces second by second: only what has changed, against everything anew."""
    before: dict[int, Any] = {}
    p = Planner(plain, Settings(across=False))
    cost_new = cost_kept = time_new = time_kept = changed = 0.0
    for t in range(seconds):
        now = {c.number: f for c in many if (f := (fragments_at(plain, [c], t)[0] or [None])[0])}
        changes = {n: now.get(n) for n in before.keys() | now.keys()
                   if n not in now or n not in before or _moved(before[n], now[n])}
        began = time.perf_counter()
        kept = p.update(changes)
        time_kept += time.perf_counter() - began
        before |= {n: f for n, f in changes.items() if f}
        before = {n: f for n, f in before.items() if n in now}
        began = time.perf_counter()
        fresh = Planner(plain, Settings(across=False)).plan([before[n] for n in sorted(before)])
        time_new += time.perf_counter() - began
        cost_new, cost_kept, changed = cost_new + fresh.total, cost_kept + kept.total, changed + len(changes)
    return {"seconds": seconds, "changed": changed / seconds, "devices": cost_kept / seconds,
            "devices_anew": cost_new / seconds, "ms": 1e3 * time_kept / seconds, "ms_anew": 1e3 * time_new / seconds}


def _moved(a: Any, b: Any) -> bool:
    """Another cut, less time than planned for, or much more."""
    return a.first != b.first or b.budget_ms < a.budget_ms or b.budget_ms > 1.3 * a.budget_ms


def plot(data: dict[str, Any], path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cases = data["cases"]
    fig, ax = plt.subplots(figsize=(10, 4))
    width = 0.8 / len(METHODS)
    for k, m in enumerate(METHODS):
        ax.bar(np.arange(len(cases)) + k * width, [c["methods"][m]["devices"] for c in cases], width, label=m)
    ax.set_xticks(np.arange(len(cases)) + 0.4, [f"{c['network']}\n{c['trace']}" for c in cases], fontsize=8)
    ax.set_ylabel(f"devices, {data['clients']} clients")
    ax.legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=110)


def main(count: Annotated[int, typer.Option(help="Clients.")] = 50, seed: int = 0, moments: int = 4,
         json_out: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Plan, replay, compare."""
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    data: dict[str, Any] = {"date": datetime.date.today().isoformat(), "clients": count, "seed": seed, "cases": [],
                            "gaps": {}, "planning": {}, "replanning": {}}
    for w in WORKLOADS:
        found = networks(w)
        plain, cached = profiles(w, found, say=say)
        own = own_times(w, found)
        for kind in ("lte", "5g"):
            traces = [synthetic(kind, 600, seed + n) for n in range(3)]
            many = clients(plain, own, traces, count, seed)
            case = {"network": w.name, "server": w.server, "client": w.client, "trace": kind,
                    "common_layers": plain.common(list(found)),
                    "methods": compared(plain, cached, many, [150.0 * n for n in range(moments)])}
            data["cases"].append(case)
            say(f"{w.name} {kind}: " + ", ".join(f"{m} {r['devices']:.2f} ({r['attainment']:.3f})"
                                                 for m, r in case["methods"].items()))
        data["gaps"][w.name] = gaps(plain, many, 6, seed)
        many = clients(plain, own, traces, 200, seed + 1)
        began = time.perf_counter()
        Planner(plain, Settings()).plan(fragments_at(plain, many, 0)[0])
        data["planning"][w.name] = time.perf_counter() - began
        data["replanning"][w.name] = replanned(plain, clients(plain, own, traces, count, seed), 20)
        say(f"{w.name}: gap mean {100 * np.mean(data['gaps'][w.name]):.1f} %, worst "
            f"{100 * max(data['gaps'][w.name]):.1f} %; 200 clients in {data['planning'][w.name]:.2f} s; "
            f"{data['replanning'][w.name]}")
    (ROOT / "docs/results/graft.json").write_text(json.dumps(data, indent=1))
    plot(data, ROOT / "docs/img/graft.png")
    if json_out:
        print(json.dumps(data))


if __name__ == "__main__":
    typer.run(main)
