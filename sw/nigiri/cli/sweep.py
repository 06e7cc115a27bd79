"""`nigiri sweep`: array size, persistent buffer and bandwidth, on the cycle model."""
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say, write_json
from nigiri.reproduce.sweep import points
from nigiri.reproduce.sweep import sweep as run

__all__ = ["sweep"]

NETWORKS, LANES, PB = ("ofa_mbv3_w10:min",), (16, 32, 64), (0, 512, 1024, 1664, 2560)
GBS = (4.8, 9.6, 19.2, 38.4)


def sweep(
        network: Annotated[list[str] | None, typer.Option(help="Network of the zoo; may be repeated.")] = None,
        base: Annotated[str, typer.Option(help="Configuration that the points vary.")] = "zcu104",
        lanes: Annotated[list[int] | None, typer.Option(help="Lanes (64 MAC units each).")] = None,
        pb: Annotated[list[int] | None, typer.Option(help="KiB of persistent buffer.")] = None,
        gbs: Annotated[list[float] | None, typer.Option(help="Peak of the memory, GB/s.")] = None,
        jobs: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
        out: Annotated[Path, typer.Option(help="Folder for points, JSON and picture.")] = Path("build/sweep"),
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Latency with the best SubGraph cached, over the design space.  Started again, it goes on where it stopped."""
    need("rich", "cli")
    need("matplotlib", "cli")
    from rich.console import Console
    from rich.progress import Progress

    from nigiri.reproduce.plots import plot_sweep

    wanted = points(network or NETWORKS, base, lanes or LANES, pb or PB, gbs or GBS)
    with Progress(console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("design points", total=len(wanted))
        rows = run(wanted, out / "points.jsonl", jobs,
                   lambda done, total: bar.update(task, completed=done, total=total))
    data: dict[str, Any] = {"base": base, "source": "model", "points": rows}
    write_json(out / "sweep.json", data)
    plot_sweep(rows, out / "sweep.png")
    say(f"points and picture in {out}")
    if json:
        emit(data)
        return
    for r in sorted(rows, key=lambda r: r.get("ms", 1e9)):
        result = r["error"] if "error" in r else f"{r['ms']:8.3f} ms, {100 * r['utilization']:.1f} % of its MAC units"
        print(f"{r['network']:20} P {r['lanes']:3} PB {r['pb_kib']:5} KiB {r['gbs']:5g} GB/s  {result}")
