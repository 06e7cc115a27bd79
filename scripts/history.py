"""Cycles, resources and simulation speed by commit, from the results that were stored with them.

Writes docs/results/history.json and its picture docs/img/history.png: `scripts/history.py [--json]`.
"""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BENCH = "bench_{}_pynq_z2_{}.json"
SERIES = {"max, no cache": (BENCH.format("max", "none"), "cycles"),
          "max, cache": (BENCH.format("max", "best"), "cycles"),
          "min, no cache": (BENCH.format("min", "none"), "cycles"),
          "min, cache": (BENCH.format("min", "best"), "cycles"),
          "LUT": ("resources_pynq_z2.json", "lut"), "DSP": ("resources_pynq_z2.json", "dsp"),
          "simulated cycles/s": ("speed.json", "cycles_per_cpu_second")}


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def history() -> list[dict[str, Any]]:
    """One entry for each commit that stored one of the files, oldest first."""
    files = sorted({f"docs/results/{name}" for name, _ in SERIES.values()})
    out = []
    for line in _git("log", "--reverse", "--format=%h %cs", "--", *files).splitlines():
        commit, date = line.split()
        values = {}
        for name, (file, key) in SERIES.items():
            shown = subprocess.run(["git", "show", f"{commit}:docs/results/{file}"], cwd=ROOT, capture_output=True,
                                   text=True)
            if shown.returncode == 0:
                values[name] = json.loads(shown.stdout).get(key)
        if not out or out[-1]["values"] != values:
            out.append({"commit": commit, "date": date, "values": values})
    return out


def plot(entries: list[dict[str, Any]], target: Path) -> None:
    """Cycles above, resources and speed below, each relative to its first value."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True)
    labels = [f"{e['commit']}\n{e['date']}" for e in entries]
    for name in SERIES:
        axis = axes[0] if "cache" in name else axes[1]
        points = [(n, e["values"][name]) for n, e in enumerate(entries) if e["values"].get(name)]
        if points:
            axis.plot([p[0] for p in points], [p[1] / (1 if "cache" in name else points[0][1]) for p in points],
                      marker="o", label=name)
    axes[0].set_ylabel("cycles an image, pynq_z2")
    axes[1].set_ylabel("relative to the first")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)
    axes[1].set_xticks(range(len(labels)), labels, fontsize=7, rotation=45)
    figure.tight_layout()
    figure.savefig(target, dpi=110, metadata={"Software": None})


def main() -> None:
    """Write both files."""
    entries = history()
    text = json.dumps(entries, indent=1) + "\n"
    (ROOT / "docs" / "results" / "history.json").write_text(text)
    plot(entries, ROOT / "docs" / "img" / "history.png")
    if "--json" in sys.argv[1:]:
        print(text)


if __name__ == "__main__":
    main()
