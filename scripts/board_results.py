"""The table of what configurations take of their parts, from docs/results/resources_*.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["resources_table"]

KINDS = {"lut": "LUT", "ff": "flip-flops", "dsp": "DSP", "bram36": "block RAM", "uram": "UltraRAM"}


def _cell(data: dict, kind: str) -> str:
    if not data["available"][kind]:
        return "-"
    return f"{data[kind]:,g} of {data['available'][kind]:,} ({100 * data['share'][kind]:.0f} %)"


def resources_table(folder: Path, table: Callable[..., str]) -> str | None:
    """Every configuration that has been synthesised; None if none has."""
    found = [json.loads(p.read_text()) for p in sorted(folder.glob("resources_*.json"))]
    if not found:
        return None
    found.sort(key=lambda d: d["macs_per_cycle"])
    return table(["configuration", "part", "MAC/cycle", *KINDS.values()],
                 [[f"`{d['config']}`", f"`{d['part']}`", d["macs_per_cycle"], *(_cell(d, k) for k in KINDS)]
                  for d in found])
