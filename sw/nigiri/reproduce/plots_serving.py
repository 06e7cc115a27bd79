"""The pictures of the serving experiments."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["plot_hybridserve", "plot_superserve", "plot_sushi"]

COLOURS = {"no PB": "#66717e", "fixed": "#edae49", "vector": "#2e86ab", "saving": "#d1495b", "optimum": "#111111",
           "SlackFit": "#2e86ab", "DrainFit": "#d1495b", "INFaaS": "#66717e"}
GREY = "#b0b7bf"


def _save(figure: Figure, path: Path) -> None:
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _bars(axis: Axes, streams: list[dict[str, Any]], value: Any) -> None:
    names = [r["policy"] for r in streams[0]["rows"]]
    for k, name in enumerate(names):
        at = np.arange(len(streams)) + 0.16 * (k - (len(names) - 1) / 2)
        axis.bar(at, [value(s, name) for s in streams], 0.15, color=COLOURS[name], label=name)
    axis.set_xticks(range(len(streams)), [s["stream"] for s in streams], fontsize=8)


def plot_sushi(d: dict[str, Any], path: Path) -> None:
    """A row for each family: latency and accuracy by stream, then the sweeps over |S| and Q."""
    families = d["families"]
    figure, axes = plt.subplots(len(families), 4, figsize=(14, 3 * len(families) + 0.4), squeeze=False,
                                layout="constrained")
    for row, (family, f) in zip(axes, families.items(), strict=True):
        rows = {g: [s for s in f["streams"] if s["goal"] == g] for g in ("strict_accuracy", "strict_latency")}

        def of(s: dict[str, Any], name: str, key: str) -> float:
            return float(next(r for r in s["rows"] if r["policy"] == name)[key])

        _bars(row[0], rows["strict_accuracy"], lambda s, n: of(s, n, "mean_latency_ms"))
        row[0].set_ylabel(f"{family}\nmean latency, ms", fontsize=8)
        row[0].set_title("strict accuracy", fontsize=9)
        _bars(row[1], rows["strict_latency"], lambda s, n: of(s, n, "served_accuracy"))
        served = [r["served_accuracy"] for s in rows["strict_latency"] for r in s["rows"]]
        row[1].set_ylim(np.floor(min(served) - 0.5), np.ceil(max(served) + 0.2))
        row[1].set_ylabel("served accuracy, %", fontsize=8)
        row[1].set_title("strict latency", fontsize=9)
        for axis, key, x in ((row[2], "subgraphs", "count"), (row[3], "period", "period")):
            sweep = f["sweeps"][key]
            for name in ("vector", "saving"):
                axis.plot([p[x] for p in sweep], [p[name]["mean_latency_ms"] for p in sweep], "o-", ms=3,
                          color=COLOURS[name], label=name)
            axis.set_xscale("log", base=2)
            axis.set_xlabel("candidate SubGraphs |S|" if key == "subgraphs" else "caching period Q", fontsize=8)
            axis.set_ylabel("mean latency, ms", fontsize=8)
    axes[0][0].legend(fontsize=6, ncols=2, loc="lower right")
    axes[0][2].legend(fontsize=7)
    _save(figure, path)


def plot_superserve(d: dict[str, Any], path: Path) -> None:
    """A row for each family: attainment and accuracy of all policies on the real load, over time, and under faults."""
    families = d["families"]
    figure, axes = plt.subplots(len(families), 3, figsize=(14, 3.4 * len(families) + 0.4), squeeze=False,
                                layout="constrained")
    for row, (family, f) in zip(axes, families.items(), strict=True):
        case = f["azure"]["0.9"]
        for r in case["rows"]:
            name = r["policy"]
            row[0].plot(r["accuracy"], r["attainment"], "o", color=COLOURS.get(name, GREY), ms=6)
            row[0].annotate(name.removeprefix("Clipper+ "), (r["accuracy"], r["attainment"]), fontsize=7,
                            xytext=(3, 3), textcoords="offset points")
        row[0].set_xlabel("mean accuracy of queries in time, %", fontsize=8)
        row[0].set_ylabel(f"{family}\nSLO attainment", fontsize=8)
        row[0].set_title("real load, largest minute at 0.9 of the capacity", fontsize=9)
        for axis, lines, title in ((row[1], f["azure_timeline"], "real load"),
                                   (row[2], f["faults"]["timeline"], "a device lost every 12 s")):
            rate = axis.twinx()
            first = next(iter(lines.values()))
            rate.fill_between(first["time_s"], first["queries_per_s"], step="post", color=GREY, alpha=0.35, lw=0)
            rate.set_ylim(bottom=0)
            rate.set_ylabel("queries/s", fontsize=8)
            for name, line in lines.items():
                axis.plot(line["time_s"], line["accuracy"], color=COLOURS[name], label=name, lw=1.2)
            axis.set_zorder(rate.get_zorder() + 1)
            axis.patch.set_visible(False)
            axis.set_xlabel("time, s", fontsize=8)
            axis.set_ylabel("accuracy served, %", fontsize=8)
            axis.set_title(title, fontsize=9)
    axes[0][1].legend(fontsize=7)
    _save(figure, path)


def plot_hybridserve(d: dict[str, Any], path: Path) -> None:
    """Accuracy over energy of cascades and of single SubNets, a panel for each cache."""
    figure, axes = plt.subplots(1, len(d["caches"]), figsize=(5.5 * len(d["caches"]), 4), squeeze=False,
                                layout="constrained")
    for axis, (name, c) in zip(axes[0], d["caches"].items(), strict=True):
        axis.plot([x["energy_mj"] for x in c["static"]], [x["accuracy"] for x in c["static"]], "s-", ms=4,
                  color=COLOURS["INFaaS"], label="one SubNet")
        curve = sorted((x["energy_mj"], x["accuracy"]) for x in c["curve"])
        axis.plot(*zip(*curve, strict=True), ".", ms=3, color=COLOURS["saving"], alpha=0.6, label="cascades")
        for key, marker in (("preserved", "*"), ("optimised", "P")):
            axis.plot(c[key]["energy_mj"], c[key]["accuracy"], marker, ms=12, color=COLOURS["saving"], mec="black",
                      label=f"{key}: {c[key]['times_lower']:.2f} times lower")
        axis.set_xlabel("energy, mJ a query", fontsize=9)
        axis.set_ylabel("accuracy, % of images not chosen on", fontsize=9)
        axis.set_title(f"cached: {name}", fontsize=9)
        axis.legend(fontsize=7, loc="lower right")
    _save(figure, path)
