"""`nigiri compile`: programs for a network, and why they are as they are."""
from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from nigiri.cli.output import emit, say
from nigiri.cli.target import machine, open_target
from nigiri.compiler import Network, compile_network
from nigiri.compiler.batches import batch_plan
from nigiri.compiler.explain import Explanation, explain
from nigiri.compiler.plan import Plan
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["compile_command", "find_network"]

WIDTH = 200
"""Columns of the report where it does not go to a terminal."""


def find_network(text: str) -> Network:
    """The network that `text` names: one of the zoo, with or without ":subnet", or BUNDLE:SUBNET.

    Raises
    ------
    BadArgument: no such network or SubNet; the message lists those that exist.
    """
    from nigiri import zoo

    if text.partition(":")[0] in {name.partition(":")[0] for name in zoo.names()}:
        return zoo.load(text)
    target = open_target(text)
    network = target.network
    return replace(network, subnets=(network.subnet(target.subnet.name),))


def compile_command(
        network: Annotated[str, typer.Argument(help="For example ofa_resnet50:A, ofa_mbv3_w10, or demo:max.")],
        config: Annotated[str, typer.Option(help="Configuration.")] = "zcu104",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        batch: Annotated[int, typer.Option(help="Images of a launch, 1 to 16.")] = 1,
        why: Annotated[bool, typer.Option("--explain", help="Show the plan, layer by layer.")] = False,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Compile a network and predict its cycles."""
    chosen, setting = machine(config, memory)
    found = find_network(network)
    say(f"compiling {network} for {chosen.name}, memory {setting.name}")
    found.check()
    plans = {s.info.name: batch_plan(found, s, chosen, batch) for s in found.subnets}
    data = facts(network, found, chosen, setting, plans, batch)
    explained = [explain(found, s, chosen, setting, plans[s.info.name]) for s in found.subnets]
    data["subnets"] = [p.to_json() if why else _summary(p) for p in explained]
    if json:
        emit(data)
    else:
        show(data, explained, why)


def facts(name: str, network: Network, config: AcceleratorConfig, memory: MemorySetting,
          plans: dict[str, Plan], batch: int) -> dict[str, Any]:
    """Sizes of what the compiler makes."""
    compiled = compile_network(network, config, plans, batch=batch)
    return {"network": name, "config": config.name, "memory": memory.name, "clock_mhz": config.clock_mhz,
            "batch": batch,
            "weight_bytes": 64 * compiled.weight_words, "image_bytes": int(compiled.image.nbytes),
            "window_bytes": 64 * compiled.window_words,
            "descriptors": {s: n for s, (_, n) in compiled.programs.items()}}


def _summary(plan: Explanation) -> dict[str, Any]:
    data = plan.to_json()
    del data["layers"]
    return data


def show(data: dict[str, Any], plans: list[Explanation], why: bool) -> None:
    """The report for people."""
    from rich.console import Console
    from rich.table import Table

    # In a file or a pipe nothing is lost to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(f"{data['network']} for {data['config']}, memory {data['memory']}: weights "
                  f"{data['weight_bytes'] / 2**20:.2f} MiB, image {data['image_bytes'] / 2**20:.2f} MiB, window "
                  f"{data['window_bytes'] / 2**20:.2f} MiB")
    for p in plans:
        ms = p.cycles / (data["clock_mhz"] * 1e3)
        each = f", {p.cycles / p.batch:,.0f} an image of {p.batch}" if p.batch > 1 else ""
        console.print(f"{p.subnet}: {data['descriptors'][p.subnet]} descriptors, {p.cycles:,} cycles predicted{each} "
                      f"({ms:.3f} ms), utilisation {100 * p.utilization:.1f} %, {p.ab_words:,} pixel words")
        if not why:
            continue
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("layer", "kind", "input", "output"):
            table.add_column(heading, no_wrap=True)
        for heading in ("split", *(("images",) if p.batch > 1 else ()), "bands", "cycles", "weights", "activations"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("bound by", no_wrap=True)
        table.add_column("why")
        for r in p.layers:
            table.add_row(r.name, r.kind, "x".join(map(str, r.source)), "x".join(map(str, r.result)), str(r.split),
                          *((str(r.images),) if p.batch > 1 else ()), str(r.bands), f"{r.cycles:,}",
                          f"{r.weight_bytes:,}", f"{r.act_bytes:,}", r.bound, r.why)
        console.print(table)
