"""The picture of a design-space sweep."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["plot_sweep"]


def plot_sweep(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Latency over the size of the persistent buffer: a panel per network and array size, a line per bandwidth."""
    good = [r for r in rows if "error" not in r]
    panels = sorted({(r["network"], r["lanes"]) for r in good})
    speeds = sorted({r["gbs"] for r in good})
    columns = max(1, len({lanes for _, lanes in panels}))
    count = max(1, -(-len(panels) // columns))
    figure, axes = plt.subplots(count, columns, figsize=(3.4 * columns + 1, 2.8 * count), squeeze=False,
                                layout="constrained")
    colours = matplotlib.colormaps["viridis"]
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    for axis, (network, lanes) in zip(axes.flat, panels, strict=False):
        for n, gbs in enumerate(speeds):
            line = sorted((r["pb_kib"], r["ms"]) for r in good
                          if (r["network"], r["lanes"], r["gbs"]) == (network, lanes, gbs))
            if line:
                colour = colours(n / max(1, len(speeds) - 1) * 0.85)
                axis.plot(*zip(*line, strict=True), "o-", ms=3, lw=1.2, color=colour, label=f"{gbs:g} GB/s")
        axis.set_title(f"{network}, {64 * lanes} MAC a cycle", fontsize=9)
        axis.set_ylim(bottom=0)
        axis.set_xlabel("persistent buffer, KiB", fontsize=8)
        axis.set_ylabel("latency, ms", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    if panels:
        axes.flat[0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
