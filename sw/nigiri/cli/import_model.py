"""`nigiri import`: a bundle from somebody's own model."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri import bundle
from nigiri.cli.extras import need
from nigiri.cli.output import emit, say
from nigiri.cli.target import machine
from nigiri.importer.operators import ONNX, TFLITE
from nigiri.runtime.errors import BadArgument

__all__ = ["import_model"]

PACKAGES = {".tflite": "tflite", ".onnx": "onnx"}


def import_model(
        model: Annotated[str, typer.Argument(help="An int8 .tflite file, or an .onnx file in QDQ form.")] = "",
        out: Annotated[Path | None, typer.Option("--out", "-o", help="The bundle; MODEL.nigiri when left out.")] = None,
        config: Annotated[str, typer.Option(help="Configuration that the programs are for.")] = "pynq_z2",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        mean: Annotated[float | None, typer.Option(help="Pixel value that becomes 0; guessed when left out.")] = None,
        std: Annotated[float | None, typer.Option(help="Pixel values for 1; guessed when left out.")] = None,
        list_operators: Annotated[bool, typer.Option("--list-operators", help="Show what can be imported.")] = False,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Bring your own model: int8 TFLite or ONNX (QDQ) becomes a bundle with one SubNet, "model"."""
    if list_operators:
        operators()
        return
    if not model:
        raise BadArgument("name a model, for example nigiri import model.tflite -o model.nigiri")
    if Path(model).suffix in PACKAGES:
        need(PACKAGES[Path(model).suffix], "import")
    from nigiri.importer import read_model
    from nigiri.importer.choose import fastest, pixel_table
    from nigiri.importer.lower import lowered_places

    chosen, setting = machine(config, memory)
    graph = read_model(model)
    table, mean, std = pixel_table(graph, mean, std)
    say(f"{len(graph.nodes)} operators; trying the ways to run them on {chosen.name}")
    made = fastest(graph, table, chosen, setting)
    info = made.network.subnets[0].info
    target = out or Path(model).with_suffix(".nigiri")
    bundle.save(target, made.network, chosen, {"source": Path(model).name, "pixel_mean": mean, "pixel_std": std,
                                               "notes": graph.notes,
                                               "tensors": lowered_places(graph, made.network)})
    data = {"bundle": str(target), "layers": len(made.network.subnets[0].layers), "macs": info.macs,
            "weight_bytes": info.weight_bytes, "config": chosen.name, "memory": setting.name,
            "pixel_mean": mean, "pixel_std": std, "cycles": made.cycles, "tried": made.tried,
            "per_second": chosen.clock_mhz * 1e6 / made.cycles,
            "utilization": info.macs / made.cycles / chosen.mac_units, "notes": graph.notes}
    if json:
        emit(data)
    else:
        show(data)


def show(d: dict[str, Any]) -> None:
    """The report for people."""
    print(f"{d['bundle']}: {d['layers']} layers, {d['macs'] / 1e6:.2f} MMAC, {d['weight_bytes'] / 1024:,.0f} KiB of "
          f"weights")
    print(f"pixels: the model sees (value - {d['pixel_mean']:g}) / {d['pixel_std']:g}")
    print(f"{d['config']}, memory {d['memory']}: {d['cycles']:,} cycles predicted, {d['per_second']:,.0f} images a "
          f"second, {100 * d['utilization']:.0f} % of the MAC units in use")
    for name, cycles in d["tried"].items():
        print(f"  {name}: {cycles:,} cycles")
    for note in d["notes"]:
        print(f"note: {note}")


def operators() -> None:
    """The operators that can be imported."""
    from rich.console import Console
    from rich.table import Table

    for title, listed in (("TFLite (int8)", TFLITE), ("ONNX (QDQ)", ONNX)):
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column(title, no_wrap=True)
        table.add_column("how")
        for s in listed:
            table.add_row(s.name, s.how)
        Console(width=None if sys.stdout.isatty() else 160).print(table)
