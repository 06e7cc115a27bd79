"""The picture of a search: every SubNet that was looked at, and the front."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["plot_pareto"]


def plot_pareto(d: dict[str, Any], path: Path) -> None:
    """d: what `nigiri pareto --json` prints, with "points"."""
    figure, axis = plt.subplots(figsize=(8, 5.2), layout="constrained")

    def points(rows: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
        return [r["cost"] for r in rows], [r["score"] for r in rows]

    every = d["points"]
    for key, colour, label in (("random", "#c9a86a", "random search"), ("evolution", "#b8c4d0", "evolutionary search")):
        if every.get(key):
            count = len(every[key])
            axis.plot(*zip(*every[key], strict=True), ".", ms=3, color=colour, label=f"{label}, {count} SubNets")
    axis.plot(*points(d["subnets"]), "o-", ms=4, lw=1.2, color="#14507a", label=f"front, {len(d['subnets'])} SubNets")
    for n, (name, rows) in enumerate(d["compared"].items()):
        axis.plot(*points(rows), "^s"[n % 2], ms=6, mfc="none", color=("#b3402a", "#3f7d3a")[n % 2], label=name)
    axis.set_xlabel(d["cost_name"])
    axis.set_ylabel(d["score_name"])
    axis.set_title(f"{d['network']}: {d['conditions']}", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
