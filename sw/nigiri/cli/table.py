"""`nigiri table`: a latency table of a family of SubNets on a machine, by the cycle model."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nigiri.cli.output import emit, say

__all__ = ["table"]


def table(family: Annotated[str, typer.Argument(help="resnet50, mobilenet_v3 or mobilenet_v3_160.")],
          config: Annotated[str, typer.Option(help="Configuration, NAME or NAME@MHz; NAME-nopb gives the memory of the "
                                                   "persistent buffer to the dynamic one.")] = "zcu104@300",
          subgraphs: Annotated[int, typer.Option(help="|S|, candidate SubGraphs, the empty one included.")] = 40,
          batches: Annotated[list[int] | None, typer.Option(help="Images of a launch; may be repeated.")] = None,
          out: Annotated[Path | None, typer.Option(help="The .json.gz to write; among the package's tables when left "
                                                        "out.")] = None,
          json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Measure SushiAbs' latency table [SubNets x SubGraphs]: a number takes 0.1 to 1 s."""
    from nigiri.reproduce.workloads import latency_table, save_table, table_path

    found = latency_table(family, config, subgraphs, tuple(sorted({1, *(batches or ())})), say)
    path = out or table_path(family, config)
    save_table(found, path)
    data = {"family": family, "config": config, "subnets": [s.name for s in found.subnets],
            "subgraphs": len(found.subgraphs), "batches": list(found.batches), "path": str(path)}
    if json:
        emit(data)
    else:
        print(f"{len(found.subnets)} SubNets x {len(found.subgraphs)} SubGraphs of {family} on {config}: {path}")
