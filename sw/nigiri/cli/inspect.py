"""`nigiri inspect`: what a bundle holds."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri import bundle as bundles
from nigiri.bundle.inspect import describe
from nigiri.cli.output import emit, say
from nigiri.cli.target import load_bundle, machine

__all__ = ["inspect"]

WIDTH = 200
"""Columns of the report where it does not go to a terminal."""


def inspect(
        bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle file, or demo.")],
        config: Annotated[str, typer.Option(help="Configuration for the latencies; the bundle's own when left "
                                                 "out.")] = "",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the SubNets of a bundle: sizes, shared bytes, accuracies, predicted latencies; format, checksums, origin."""
    loaded = load_bundle(bundle)
    chosen, setting = machine(config or loaded.config_name, memory)
    say(f"predicting {len(loaded.subnets)} SubNets on {chosen.name}, memory {setting.name}")
    data = describe(loaded, bundles.demo_path() if bundle == "demo" else Path(bundle), loaded.compiled(chosen), setting)
    if json:
        emit(data)
    else:
        show(data)


def _kib(n: float) -> str:
    return f"{n / 1024:,.0f}"


def show(d: dict[str, Any]) -> None:
    """The report for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(f"{d['file']}: {d['format']} version {d['version']}, {_kib(d['bytes'])} KiB, checksums verified")
    console.print(f"{d['network']}: {d['supernet_layers']} SuperNet layers, {d['classes']} classes, weight image "
                  f"{_kib(d['weight_image_bytes'])} KiB; programs for {d['programs_for']['config']} (digest "
                  f"{d['programs_for']['digest']})")
    console.print(f"latency: cycle model of {d['config']} at {d['clock_mhz']:g} MHz, memory {d['memory']}, persistent "
                  f"buffer {_kib(d['pb_bytes'])} KiB empty or with the SubGraph that helps most\n")
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("SubNet", no_wrap=True)
    for heading in ("image", "MMAC", "weights KiB", "shared with smallest", "int8", "float", "latency", "cached"):
        table.add_column(heading, justify="right", no_wrap=True)
    for s in d["subnets"]:
        part = s["shared_with_smallest_bytes"] / s["read_bytes"]
        ms = {cache: f"{x['ms']:.3f} ms" for cache, x in s["latency"].items()}
        table.add_row(s["name"], "x".join(map(str, s["image"][:2])), f"{s['macs'] / 1e6:,.1f}", _kib(s["read_bytes"]),
                      f"{_kib(s['shared_with_smallest_bytes'])} KiB, {100 * part:.0f} %", f"{s['accuracy_int8']:.2f} %",
                      f"{s['accuracy_float']:.2f} %", ms["none"], ms["best"])
    console.print(table)
    _sharing(console, d)
    console.print("\nSHA-256")
    for t in [{"name": "tensors.safetensors", "sha256": d["sha256"]}, *d["tensors"]]:
        console.print(f"  {t['sha256']}  {t['name']}" + (f"  {t['dtype']} {t['shape']}" if "dtype" in t else ""),
                      markup=False)
    if d["facts"]:
        console.print("\norigin")
        for key, value in d["facts"].items():
            console.print(f"  {key}: {value}", markup=False)


def _sharing(console: Any, d: dict[str, Any]) -> None:
    from rich.table import Table

    shared = d["sharing"]
    console.print(f"\nweights read by any SubNet {_kib(shared['union_bytes'])} KiB, by all of them "
                  f"{_kib(shared['common_bytes'])} KiB, as separate networks {_kib(shared['separate_bytes'])} KiB "
                  f"({shared['separate_bytes'] / shared['union_bytes']:.2f} times as many)")
    if len(d["subnets"]) < 2:
        return
    console.print("KiB that two SubNets share")
    table = Table(box=None, header_style="bold", pad_edge=False)
    names = [s["name"] for s in d["subnets"]]
    for heading in ("", *names):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, row in zip(names, shared["pairs"], strict=True):
        table.add_row(name, *map(_kib, row))
    console.print(table)
