"""Plots of a demonstration as PNG files."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from nigiri.demo.report import KINDS
from nigiri.demo.view import TITLES
from nigiri.sched.serve import Served
from nigiri.sched.table import LatencyTable

__all__ = ["bars", "timeline"]

COLOURS = {"sushi": "#d1495b", "fixed": "#edae49", "none": "#66717e"}
GREY = "#b0b7bf"


def timeline(runs: Mapping[str, Sequence[Served]], table: LatencyTable, path: Path, policy: str = "sushi") -> None:
    """Targets, SubNets and cached SubGraph of one policy over the stream, and the latency of all policies."""
    served = runs[policy]
    x = np.arange(len(served))
    changes = [n for n in range(1, len(served)) if served[n].cached != served[n - 1].cached]
    figure, (top, middle, low) = plt.subplots(3, 1, figsize=(11, 8), sharex=True, layout="constrained",
                                              gridspec_kw={"height_ratios": [2, 2, 1.3]})
    top.step(x, [s.query.accuracy for s in served], where="mid", color=GREY, label="accuracy target")
    top.plot(x, [table.subnets[s.subnet].accuracy for s in served], ".", color=COLOURS[policy], label="SubNet served")
    top.set_ylabel("accuracy, %")
    top.legend(loc="upper right", ncols=2)
    for name, run in runs.items():
        middle.plot(x, [s.service_ms for s in run], ".", ms=4, color=COLOURS.get(name, GREY),
                    label=TITLES.get(name, name))
    middle.set_ylabel("service latency, ms")
    middle.set_ylim(bottom=0)
    middle.legend(loc="upper right", ncols=3)
    used = sorted({s.cached for s in served})
    low.step(x, [used.index(s.cached) for s in served], where="post", color=COLOURS[policy])
    low.set_yticks(range(len(used)), [table.subgraphs[c].name for c in used], fontsize=8)
    low.set_ylabel("cached SubGraph")
    low.set_xlabel("query")
    for axis in (top, middle, low):
        for n in changes:
            axis.axvline(n - 0.5, color=GREY, lw=0.6, ls=":", zorder=0)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{TITLES.get(policy, policy)}: SubNets served and SubGraph cached (dotted: cache changes)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def bars(policies: Mapping[str, dict[str, Any]], path: Path) -> None:
    """Latency and off-chip bytes by kind of every policy."""
    names = [TITLES.get(name, name) for name in policies]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    x = np.arange(len(names))
    for offset, key, label, alpha in ((-0.2, "mean_latency_ms", "mean", 1.0), (0.2, "p99_latency_ms", "p99", 0.5)):
        drawn = left.bar(x + offset, [p[key] for p in policies.values()], 0.38, label=label, alpha=alpha,
                         color=[COLOURS.get(name, GREY) for name in policies])
        left.bar_label(drawn, fmt="%.3f", fontsize=8)
    left.set_xticks(x, names)
    left.set_ylabel("service latency, ms (solid: mean, pale: p99)")
    bottom = np.zeros(len(names))
    for kind, title in KINDS.items():
        mib = np.array([p["dram_bytes"].get(kind, 0) / 2**20 for p in policies.values()])
        right.bar(x, mib, 0.6, bottom=bottom, label=title)
        bottom += mib
    right.set_xticks(x, names)
    right.set_ylabel("off-chip bytes of the stream, MiB")
    right.legend(fontsize=8)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
