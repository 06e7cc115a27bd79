"""Graft on several SuperNets and bandwidth traces: devices' worth by method at equal attainment, gap to the optimum,
planning and re-planning.  Writes docs/results/graft.json and docs/img/graft.png;
``python scripts/bench_graft.py [--json]``."""
from __future__ import annotations

import datetime
import json
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer

from nigiri.compiler.graph import Network
from nigiri.cycles import predict
from nigiri.graft.align import Settings
from nigiri.graft.check import check
from nigiri.graft.clients import Client, clients, fragment_at, fragments_at
from nigiri.graft.compare import METHODS, floor, measured, static
from nigiri.graft.fragment import Fragment
from nigiri.graft.optimum import best_rounds, optimum
from nigiri.graft.plan import Planner
from nigiri.graft.profile import LAUNCH_MS, Profile
from nigiri.graft.replan import Follower
from nigiri.graft.roundplan import RoundPlanner
from nigiri.graft.workloads import WORKLOADS, Workload, networks, own_times, profiles
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory
from nigiri.split import compile_parts, part_of
from nigiri.traffic.bandwidth import Bandwidths, synthetic

ROOT = Path(__file__).parents[1]
SAME = Settings(across=False)
APART = Settings(across=False, realign=False)
FEW = 5
"""Fragments of the small cases."""


def gaps(plain: Profile, many: list[Client], tries: int, seed: int) -> list[dict[str, float]]:
    """A few fragments: alone, re-aligned, the optimum; in rounds, the best rounds."""
    rng, out = random.Random(seed), []
    subnets = sorted({c.subnet for c in many})[:2]
    some = [c for c in many if c.subnet in subnets]
    for _ in range(20 * tries):
        fragments, _ = fragments_at(plain, rng.sample(some, min(FEW, len(some))), rng.uniform(0, 500))
        fragments = [f for f in fragments if f.first < plain.layers(f.subnet)]
        plan = Planner(plain, SAME).plan(fragments)
        if len(fragments) < 3 or plan.refused:
            continue
        best = optimum(plain, fragments, plan)
        out.append({"fragments": len(fragments), "alone": Planner(plain, APART, merging=False).plan(fragments).total,
                    "graft": plan.total, "optimum": best.total, "bound": best.bound,
                    "optimum_across": optimum(plain, fragments, plan, across=True).total,
                    "rounds": RoundPlanner(plain).plan(fragments).total, "best_rounds": best_rounds(plain, fragments)})
        if len(out) == tries:
            break
    return out


def replanned(plain: Profile, many: list[Client], seconds: int) -> dict[str, float]:
    """Following the traces second by second: only what has changed, against everything anew."""
    follower, last = Follower(Planner(plain, SAME)), dict[int, int]()
    rows: list[dict[str, float]] = []
    for t in range(seconds):
        now: dict[int, Fragment] = {}
        for c in many:
            f = fragment_at(plain, c, c.trace.at(t + c.offset_s), last.get(c.number))
            if f:
                now[c.number], last[c.number] = f, f.first
        began = time.perf_counter()
        change = follower.follow(now)
        between = time.perf_counter()
        fresh = Planner(plain, SAME).plan(list(now.values()))
        check(plain, change.plan)
        rows.append({"changed": change.fragments, "kept": change.kept, "made": change.made,
                     "ms": 1e3 * (between - began), "ms_anew": 1e3 * (time.perf_counter() - between),
                     "devices": change.plan.total, "devices_anew": fresh.total})
    return {"seconds": seconds} | {k: float(np.mean([r[k] for r in rows[1:]])) for k in rows[0]}


def planning(plain: Profile, own: Mapping[str, list[float]], traces: list[Bandwidths], count: int, seed: int
             ) -> dict[str, Any]:
    """Seconds to plan for many clients, the median of three moments, and what the plans take."""
    many, out = clients(plain, own, traces, count, seed), dict[str, Any]()
    for name, planner in (("alone", Planner(plain, APART, merging=False)), ("merged", Planner(plain, APART)),
                          ("graft", Planner(plain, SAME)), ("rounds", RoundPlanner(plain))):
        times, totals = [], []
        for at in (0.0, 150.0, 300.0):
            fragments, _ = fragments_at(plain, many, at)
            began = time.perf_counter()
            totals.append(planner.plan(fragments).total)
            times.append(time.perf_counter() - began)
        out[name] = {"seconds": float(np.median(times)), "devices": float(np.mean(totals))}
    return {"clients": count} | out


def parts(w: Workload, found: Mapping[str, Network], plain: Profile) -> list[dict[str, Any]]:
    """Sums of layers, as plans use them, against compiled parts of the largest SubNet."""
    name, network = list(found.items())[-1]
    config, subnet = get_config(w.server), network.subnets[0].info.name
    cuts, end, out = plain.cuts[name], plain.layers(name), []
    for a, b in ((cuts[len(cuts) // 3], end), (0, cuts[len(cuts) // 2]), (cuts[len(cuts) // 4], cuts[len(cuts) // 2])):
        part = part_of(network, subnet, a, b)
        made = compile_parts(network, config, [part]).compiled
        got = predict(made.descriptors(part.info.name), config, default_memory(config),
                      offset=made.program(part.info.name)[0])
        out.append({"first": a, "end": b, "part_ms": got.cycles / (1e3 * config.clock_mhz),
                    "profile_ms": plain.latency(name, a, b, 1) - LAUNCH_MS})
    return out


def plot(data: dict[str, Any], path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cases = data["cases"]
    names = [m.name for m in METHODS if not m.static and m.name != "alone, cache"]
    fig, ax = plt.subplots(figsize=(10, 4))
    width = 0.8 / len(names)
    for k, m in enumerate(names):
        ax.bar(np.arange(len(cases)) + k * width, [c["methods"][m]["devices"] for c in cases], width, label=m)
    for n, c in enumerate(cases):
        ax.hlines(c["floor"], n, n + 0.8, color="black", linestyles="dotted",
                  label=None if n else "no plan is below")
    ax.set_xticks(np.arange(len(cases)) + 0.4, [f"{c['network']}\n{c['trace']}" for c in cases], fontsize=8)
    ax.set_ylabel(f"devices' worth, {data['clients']} clients")
    ax.legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=110)


def main(count: Annotated[int, typer.Option(help="Clients.")] = 50, seed: int = 0, moments: int = 4,
         only: Annotated[str, typer.Option(help="One SuperNet.")] = "", folder: Path = ROOT / "docs",
         json_out: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Plan, replay, compare."""
    began = time.perf_counter()
    data: dict[str, Any] = {"date": datetime.date.today().isoformat(), "clients": count, "seed": seed,
                            "moments": moments, "cases": [], "gaps": {}, "planning": {}, "replanning": {}, "parts": {}}
    for w in (w for w in WORKLOADS if only in ("", w.name)):
        found = networks(w)
        plain, cached = profiles(w, found)
        own = own_times(w, found)
        data["parts"][w.name] = parts(w, found, plain)
        data["gaps"][w.name], data["replanning"][w.name] = [], {}
        for kind in ("lte", "5g"):
            traces = [synthetic(kind, 600, seed + n) for n in range(3)]
            many = clients(plain, own, traces, count, seed)
            fixed, times = static(plain, many), [150.0 * n for n in range(moments)]
            case = {"network": w.name, "server": w.server, "memory": default_memory(get_config(w.server)).name,
                    "client": w.client, "trace": kind, "common_layers": plain.common(list(found)),
                    "floor": float(np.mean([floor(plain, fragments_at(plain, many, at)[0]) for at in times])),
                    "methods": {m.name: measured(m, plain, cached, fixed if m.static else many, times)
                                for m in METHODS}}
            data["cases"].append(case)
            print(f"{w.name} {kind}, {time.perf_counter() - began:.0f} s: floor {case['floor']:.2f}, " + ", ".join(
                f"{m} {r['devices']:.2f} ({r['needed']:.1f}; {r['attainment']:.3f})"
                for m, r in case["methods"].items()), file=sys.stderr, flush=True)
            data["gaps"][w.name] += gaps(plain, many, 4, seed)
            data["replanning"][w.name][kind] = replanned(plain, many, 30)
        data["planning"][w.name] = planning(plain, own, traces, 200, seed + 1)
    data["seconds"] = time.perf_counter() - began
    (folder / "results/graft.json").write_text(json.dumps(data, indent=1) + "\n")
    plot(data, folder / "img/graft.png")
    if json_out:
        print(json.dumps(data))


if __name__ == "__main__":
    typer.run(main)
