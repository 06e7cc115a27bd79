"""The profile as a table for people."""
from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from nigiri.profile.layers import LayerRow

__all__ = ["table"]

STYLES = {"compute": "green", "weights": "red", "requantise": "yellow", "load/store": "magenta", "residual": "blue",
          "overhead": "cyan"}


def _bytes(n: int) -> str:
    return f"{n / 1024:,.1f}" if n else "-"


def table(rows: Sequence[LayerRow], mac_units: int, title: str) -> Table:
    """A line per layer and their sum; bytes in KiB."""
    out = Table(title=title, title_justify="left", header_style="bold", show_footer=True)
    measured = any(r.measured for r in rows)
    total = sum(r.cycles for r in rows)
    out.add_column("layer", footer="all", no_wrap=True)
    out.add_column("cycles", f"{total:,.0f}", justify="right", no_wrap=True)
    if measured:
        out.add_column("measured", f"{sum(r.measured for r in rows):,}", justify="right", no_wrap=True)
    out.add_column("share", "100.0", justify="right")
    macs = sum(r.macs for r in rows)
    out.add_column("MAC use", f"{100 * macs / (total * mac_units):.1f}", justify="right")
    out.add_column("bound by", no_wrap=True)
    kinds = {"weights": "weights", "pb": "from PB", "tables": "tables", "act_in": "act. in", "act_out": "act. out"}
    for kind, name in kinds.items():
        out.add_column(name, _bytes(sum(r.nbytes[kind] for r in rows)), justify="right", no_wrap=True)
    weights = sum(r.nbytes["weights"] + r.nbytes["pb"] for r in rows)
    out.add_column("hit", f"{100 * sum(r.nbytes['pb'] for r in rows) / max(1, weights):.0f}", justify="right")
    for r in rows:
        cells: list[str | Text] = [r.name, f"{r.cycles:,.0f}", *([f"{r.measured:,}"] if measured else []),
                 f"{100 * r.cycles / total:.1f}", f"{100 * r.utilization(mac_units):.1f}" if r.macs else "-",
                 Text(r.bound, style=STYLES[r.bound]), *(_bytes(r.nbytes[k]) for k in kinds),
                 f"{100 * r.hit:.0f}" if r.nbytes["weights"] + r.nbytes["pb"] else "-"]
        out.add_row(*cells)
    return out
