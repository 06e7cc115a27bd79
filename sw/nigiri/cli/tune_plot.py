"""The picture of the tuning experiments."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["plot_tuning"]

COLOURS = {"RRL": "#d1495b", "RRL, optimistic": "#edae49", "epsilon-greedy 0.1": "#2e86ab",
           "epsilon-greedy 0.3": "#7fb7d6", "epsilon-greedy, optimistic": "#1b4965", "random": "#66717e",
           "exhaustive": "#b0b7bf", "epsilon-greedy": "#2e86ab"}


def plot_tuning(d: dict[str, Any], path: Path) -> None:
    """Learning curves, a panel for each workload; below, violations and power by minute of the changing load."""
    study, online = d["study"], d["changing"]
    columns = max(2, len(study))
    figure = plt.figure(figsize=(3.6 * columns, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 2 * columns)
    for n, w in enumerate(study):
        axis = figure.add_subplot(grid[0, 2 * n:2 * n + 2])
        for row in w["rows"]:
            axis.plot(row["evaluations"], [100 * x for x in row["excess"]], color=COLOURS[row["learner"]],
                      label=row["learner"], lw=1.8 if row["learner"] == "RRL" else 1.1)
        axis.axhline(5, color="black", lw=0.6, ls=":")
        axis.set_xscale("log")
        axis.set_yscale("symlog", linthresh=5)
        axis.set_ylim(bottom=0)
        axis.set_yticks([0, 5, 10, 100, 1000], ["0", "5", "10", "100", "1000"])
        axis.set_title(f"{w['family']}, {w['rate']:g} queries/s", fontsize=9)
        axis.set_xlabel("evaluations", fontsize=8)
        if n == 0:
            axis.set_ylabel("recommended configuration:\ncost above the best, %, median", fontsize=8)
            axis.legend(fontsize=6)
    minutes = online["minutes"]
    for n, (key, title) in enumerate((("violations", "SLO violations, %"), ("power", "power, % of all devices"))):
        axis = figure.add_subplot(grid[1, columns * n:columns * (n + 1)])
        rate = axis.twinx()
        rate.fill_between(range(len(minutes["rate"])), minutes["rate"], step="mid", color="#b0b7bf", alpha=0.35, lw=0)
        rate.set_ylim(bottom=0)
        rate.set_ylabel("queries/s", fontsize=8)
        for name, line in minutes.items():
            if name != "rate":
                axis.plot([100 * x for x in line[key]], color=COLOURS.get(name, "#111111"), lw=1.3,
                          label=name if name in COLOURS else f"fixed: {name}")
        axis.set_zorder(rate.get_zorder() + 1)
        axis.patch.set_visible(False)
        axis.set_ylim(bottom=0)
        axis.set_xlabel("minute of the trace, last pass", fontsize=8)
        axis.set_ylabel(title, fontsize=8)
        axis.legend(fontsize=7)
    for axis in figure.axes:
        axis.spines[["top"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
