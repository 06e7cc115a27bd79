"""Roofline plot of a network: what each layer reaches, of what array and memory allow."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from nigiri.profile.layers import LayerRow

__all__ = ["roofline"]

COLOURS = ("#66717e", "#d1495b", "#edae49")
DARK = "#2f3b45"


def roofline(runs: Mapping[str, Sequence[LayerRow]], path: Path, *, mac_units: int, bytes_per_cycle: float,
             title: str) -> None:
    """One mark per layer with multiply-accumulates, as large as its share of the time, for every run (cache or not)."""
    figure, axis = plt.subplots(figsize=(9, 5.5), layout="constrained")
    intensities: list[float] = [mac_units / bytes_per_cycle]
    for (name, rows), colour in zip(runs.items(), COLOURS, strict=False):
        shown = [r for r in rows if r.macs and r.dram_bytes]
        total = sum(r.cycles for r in rows)
        x = [r.macs / r.dram_bytes for r in shown]
        intensities += x
        sizes = [12 + 1500 * r.cycles / total for r in shown]
        axis.scatter(x, [r.macs / r.cycles for r in shown], s=sizes, color=colour, alpha=0.55, linewidths=0,
                     label=f"{name}: {total:,.0f} cycles")
    low, high = min(intensities) / 2, max(intensities) * 2
    line = np.geomspace(low, high, 200)
    axis.plot(line, np.minimum(mac_units, line * bytes_per_cycle), color=DARK, lw=1.4)
    axis.text(high, mac_units, f"{mac_units} MAC a cycle ", ha="right", va="bottom", fontsize=8, color=DARK)
    axis.text(low, low * bytes_per_cycle, f" {bytes_per_cycle:.1f} bytes a cycle", ha="left", va="bottom", fontsize=8,
              color=DARK)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("multiply-accumulates per byte of off-chip memory")
    axis.set_ylabel("multiply-accumulates per cycle")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower right", fontsize=8)
    axis.set_title(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
