"""Split inference: latency against bandwidth for fixed cuts and for the chosen one, and a served stream whose bandwidth
changes.  Writes docs/results/split.json and docs/img/split.png; ``python scripts/bench_split.py [--json]``."""
from __future__ import annotations

import datetime
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer

from nigiri.cli.target import open_target
from nigiri.compiler.graph import Network
from nigiri.compiler.interpret import Interpreter
from nigiri.split import Chooser, Conditions, Costs
from nigiri.split.client import SplitClient
from nigiri.split.link import Throttled
from nigiri.split.runners import GoldenRunner
from nigiri.split.server import answer
from nigiri.split.times import side_ms

ROOT = Path(__file__).parents[1]
SERVER, RTT_MS = "zcu104", 4.0
CASES = {"demo:max": ("pynq_z2@25", ((60, 200.0), (60, 20.0), (60, 2.0), (40, 0.0), (80, 200.0))),
         "ofa_mbv3_w10:min": ("pynq_z2@10", ((25, 200.0), (25, 15.0), (25, 3.0), (10, 0.0), (35, 200.0)))}
"""By SubNet the client, and (queries, Mbit/s): good, poor, bad, none, good."""


class Clock:
    """Time of the simulated client: it passes when something is computed or sent."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Timed:
    """Golden results in the time of the cycle model: the client's before its cut, the server's behind it."""

    def __init__(self, network: Network, clock: Clock, costs: Costs) -> None:
        self.golden, self.clock, self.costs = GoldenRunner(network), clock, costs

    def run(self, subnet: str, first: int, end: int, tensors: Any) -> Any:
        before = self.costs.before_ms
        ms = before[end] - before[first] if self.client else self.costs.server_ms(first)
        self.clock.sleep(1e-3 * ms)
        return self.golden.run(subnet, first, end, tensors)

    client = True


class TimedServer(Timed):
    client = False


def served(network: Network, subnet: str, costs: Costs, images: np.ndarray, trace: Any) -> dict[str, Any]:
    """A stream whose bandwidth changes: cuts, latencies, wrong and lost answers."""
    clock, rate = Clock(), [0.0]
    server = TimedServer(network, clock, costs)

    class Local:
        """The server, a round trip away."""

        def send(self, raw: bytes) -> bytes:
            clock.sleep(1e-3 * RTT_MS)
            return answer(network, server, raw, clock=clock)

        def ping(self) -> None:
            clock.sleep(1e-3 * RTT_MS)

    client = SplitClient(network, Timed(network, clock, costs), Throttled(Local(), lambda: rate[0], clock.sleep, clock),
                         {subnet: costs}, clock=clock)
    golden, rows, wrong = Interpreter(network, subnet), [], 0
    want = golden.logits(images)
    n = 0
    for count, mbit in trace:
        rate[0] = mbit
        for _ in range(count):
            began = clock()
            got = client.infer(subnet, images[n % len(images)])
            wrong += not np.array_equal(got.logits, want[n % len(images)])
            best = min(costs.totals(Conditions(mbit_s=mbit, rtt_ms=RTT_MS)))
            rows.append({"mbit_s": mbit, "estimate": got.conditions.mbit_s, "cut": got.cut, "alone": bool(got.alone),
                         "ms": 1e3 * (clock() - began), "best_ms": best})
            n += 1
            clock.sleep(0.1)
    return {"queries": n, "wrong": wrong, "lost": n - len(rows), "changes": sum(a["cut"] != b["cut"] for a, b in
                                                                                pairwise(rows)),
            "alone": sum(r["alone"] for r in rows), "ms": sum(r["ms"] for r in rows) / n,
            "best_ms": sum(r["best_ms"] for r in rows) / n, "rows": rows}


def plot(cases: list[dict[str, Any]], path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(len(cases), 2, figsize=(10, 3.6 * len(cases)))
    for (left, right), data in zip(axes, cases, strict=True):
        for name, values in data["fixed"].items():
            left.plot(data["mbit_s"], values, "--", linewidth=1, label=f"cut {name}")
        left.plot(data["mbit_s"], data["chosen"], "k", linewidth=2, label="chosen")
        left.set(xscale="log", yscale="log", xlabel="Mbit/s", ylabel="ms", title=f"{data['target']}, {data['client']}")
        left.legend(fontsize=7)
        rows = data["served"]["rows"]
        right.step(range(len(rows)), [r["cut"] for r in rows], color="tab:red", where="mid")
        right.set(xlabel="query", ylabel="cut")
        other = right.twinx()
        other.plot([max(r["mbit_s"], 0.02) for r in rows], color="tab:gray", linewidth=1)
        other.set(yscale="log", ylabel="Mbit/s (grey)")
    fig.tight_layout()
    fig.savefig(path, dpi=110)


def case(target: str, client: str, trace: Any) -> dict[str, Any]:
    """One SubNet: curves and a served stream."""
    found = open_target(target)
    network, subnet = found.network, found.subnet.name
    costs = Costs.of(network, subnet, side_ms(network, subnet, "before", client),
                     side_ms(network, subnet, "behind", SERVER))
    grid = [float(x) for x in np.geomspace(0.05, 500, 41)]
    points = [Conditions(mbit_s=x, rtt_ms=RTT_MS) for x in grid]
    best = [Chooser(costs).choose(x) for x in points]
    totals = [costs.totals(x) for x in points]
    height, width = network.image_side(network.subnet(subnet))
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, network.channels), dtype=np.uint8)
    shown = sorted({0, costs.last, *best})
    return {"target": target, "client": client, "server": SERVER, "rtt_ms": RTT_MS, "mbit_s": grid, "chosen_cut": best,
            "chosen": [t[b] for t, b in zip(totals, best, strict=True)],
            "fixed": {str(n): [t[n] for t in totals] for n in shown}, "bytes": {str(n): costs.nbytes[n] for n in shown},
            "impossible": [n for n, ms in enumerate(costs.before_ms) if ms == float("inf")],
            "client_ms": costs.before_ms[-1], "server_ms": costs.server_ms(0),
            "served": served(network, subnet, costs, images, trace)}


def main(json_out: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Measure and draw."""
    cases = []
    for target, (client, trace) in CASES.items():
        cases.append(case(target, client, trace))
        s = cases[-1]["served"]
        print(f"{target}: {s['queries']} queries, {s['wrong']} wrong, {s['lost']} lost, the cut changed {s['changes']} "
              f"times, {s['alone']} answered alone, {s['ms']:.2f} ms a query, {s['best_ms']:.2f} with the best cut; "
              f"cuts {sorted(set(cases[-1]['chosen_cut']))}", file=sys.stderr)
    data = {"date": datetime.date.today().isoformat(), "cases": cases}
    (ROOT / "docs/results/split.json").write_text(json.dumps(data))
    plot(cases, ROOT / "docs/img/split.png")
    if json_out:
        print(json.dumps(data))


if __name__ == "__main__":
    typer.run(main)
