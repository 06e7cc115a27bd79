"""`nigiri demo`: one query stream, served by the RTL under three cache policies."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import write_json
from nigiri.cli.target import load_bundle, machine

__all__ = ["demo"]


def demo(
        queries: Annotated[int, typer.Option(help="Queries in the stream.")] = 160,
        config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        bundle: Annotated[str, typer.Option(help="Bundle file, or demo.")] = "demo",
        goal: Annotated[str, typer.Option(help="strict_accuracy or strict_latency.")] = "strict_accuracy",
        period: Annotated[int, typer.Option(help="Queries between two cache decisions.")] = 4,
        distance: Annotated[str, typer.Option(help="How SUSHI picks a SubGraph: vector or saving.")] = "saving",
        subgraphs: Annotated[int, typer.Option(help="Candidate SubGraphs.")] = 16,
        accuracy: Annotated[float | None, typer.Option(help="One accuracy target for all queries, %.")] = None,
        latency: Annotated[float | None, typer.Option(help="One latency target for all queries, ms.")] = None,
        on_miss: Annotated[str, typer.Option(help="A target out of reach: raise, or serve the best.")] = "raise",
        seed: Annotated[int, typer.Option(help="Seed of the stream.")] = 2026,
        device: Annotated[str, typer.Option(help="rtl; golden tries the flow without a simulator.")] = "rtl",
        jobs: Annotated[int, typer.Option(help="Devices simulated at the same time.")] = min(3, os.cpu_count() or 1),
        out: Annotated[Path, typer.Option(help="Folder for plots and JSON.")] = Path("build/demo"),
        json: Annotated[Path | None, typer.Option("--json", help="Also write the JSON to this file.")] = None) -> None:
    """Serve one stream of queries with SUSHI, with a fixed cache, and without a cache, and compare."""
    chosen, setting = machine(config, memory)
    loaded = load_bundle(bundle)
    if device == "rtl":
        need("nigiri_hw.build.verilog", "sim")
        need("nigiri_sim.device", "sim")
    need("matplotlib", "cli")
    need("rich", "cli")
    from nigiri.demo.main import Options, run

    data = run(loaded, chosen, setting, Options(
        queries=queries, goal=goal, period=period, distance=distance, subgraphs=subgraphs, accuracy=accuracy,
        latency=latency, on_miss=on_miss, seed=seed, device=device, jobs=jobs, out=out))
    write_json(out / "demo.json", data)
    if json:
        write_json(json, data)
