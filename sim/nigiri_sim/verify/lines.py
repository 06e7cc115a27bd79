"""Line coverage of the generated Verilog, from the file that a model with coverage writes when it is closed."""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Point", "merge", "read", "real", "summary"]


@dataclass(frozen=True)
class Point:
    """A line or a branch of a module: where, and what Verilator calls it."""

    module: str
    line: int
    column: int
    block: str


def read(path: Path) -> dict[Point, int]:
    """How often each point was reached, instances of a module together."""
    found: dict[Point, int] = defaultdict(int)
    for line in path.read_text(encoding="latin-1").splitlines():
        if not line.startswith("C '"):
            continue
        text, _, count = line[3:].rpartition("' ")
        fields = dict(part.partition("\x02")[::2] for part in text.split("\x01") if part)
        kind, _, module = fields.get("page", "").partition("/")
        if kind in ("v_line", "v_branch"):
            found[Point(module, int(fields.get("l", 0)), int(fields.get("n", 0)), fields.get("o", ""))] += int(count)
    return dict(found)


def merge(*runs: dict[Point, int]) -> dict[Point, int]:
    """Several runs together."""
    out: dict[Point, int] = defaultdict(int)
    for run in runs:
        for point, count in run.items():
            out[point] += count
    return dict(out)


ARTEFACT = "$auto$verilog_backend.cc"
"""In the text of what Yosys adds so that simulators evaluate a block once: never true."""


def real(points: dict[Point, int], verilog: str) -> dict[Point, int]:
    """The points without those that come from the writer of the Verilog and not from the design."""
    lines = verilog.splitlines()
    return {p: n for p, n in points.items() if p.line > len(lines) or ARTEFACT not in lines[p.line - 1]}


def summary(points: dict[Point, int], verilog: str = "", most: int = 40) -> dict[str, Any]:
    """Share of points reached, by module the fewest first, and some that were not, with the text of their lines."""
    text = verilog.splitlines()
    modules: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for point, count in points.items():
        modules[point.module][0] += count > 0
        modules[point.module][1] += 1

    def shown(n: int) -> str:
        return text[n - 1].strip() if n <= len(text) else ""
    missing = sorted((p.module, p.line, p.block) for p, count in points.items() if not count)
    reached, total = sum(m[0] for m in modules.values()), len(points)
    return {"reached": reached, "points": total, "share": round(reached / max(1, total), 4),
            "modules": {k: f"{a} of {b}" for k, (a, b) in sorted(modules.items(), key=lambda x: x[1][0] / x[1][1])
                        if a < b},
            "missing": [f"{m} line {n}, {b}: {shown(n)}".rstrip() for m, n, b in missing[:most]],
            "missing_count": len(missing)}
