"""`nigiri profile`: where the cycles of a network go."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import emit, say, write_json
from nigiri.cli.target import machine, open_device, open_target
from nigiri.cycles import predict
from nigiri.cycles.best import best_subgraph
from nigiri.cycles.measure import measure_program
from nigiri.energy import energy_for_memory, energy_mj
from nigiri.profile.layers import names_of, rows_of
from nigiri.profile.trace import trace as make_trace
from nigiri.runtime.driver import Driver
from nigiri.runtime.errors import BadArgument

__all__ = ["profile"]

WIDTH = 130
"""Of the table where there is no terminal."""


def profile(
        network: Annotated[str, typer.Argument(metavar="NETWORK:SUBNET", help="For example ofa_resnet50:A.")],
        config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        cache: Annotated[str, typer.Option(help="none, or best: the SubGraph that helps this SubNet most.")] = "none",
        device: Annotated[str, typer.Option(help="model, or rtl: measure the cycles of every layer, too.")] = "model",
        trace: Annotated[Path | None, typer.Option(help="Write a timeline for ui.perfetto.dev (JSON).")] = None,
        roofline: Annotated[Path | None, typer.Option(help="Plot the roofline, with and without cache (PNG).")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Cycles, utilisation, what each layer is bound by, bytes by kind and cache hits."""
    if cache not in ("none", "best"):
        raise BadArgument(f"--cache must be none or best, not {cache!r}")
    if device not in ("model", "rtl"):
        raise BadArgument(f"--device must be model or rtl, not {device!r}")
    target = open_target(network)
    chosen, setting = machine(config, memory)
    say(f"compiling {target.subnet.name} for {chosen.name}, memory {setting.name}")
    compiled, name = target.compile(chosen), target.subnet.name
    program, offset = compiled.descriptors(name), compiled.program(name)[0]
    best = best_subgraph(compiled, name, setting) if cache == "best" or roofline else {}
    resident = best if cache == "best" else {}
    got = predict(program, chosen, setting, resident, offset=offset)
    measured: list[int] = []
    if device == "rtl":
        say(f"measuring on the RTL of {chosen.name}")
        opened = open_device("rtl", chosen, setting)
        try:
            with Driver(opened, chosen) as driver:
                measured, _ = measure_program(driver, compiled, name, resident)
        finally:
            opened.close()
    rows = rows_of(compiled, program, got, measured)
    cycles = sum(measured) or got.cycles
    title = f"{network} on {chosen.name}, memory {setting.name}, cache {cache}"
    if trace:
        write_json(trace, make_trace(got, names_of(compiled, program), chosen.clock_mhz, title))
        say(f"timeline in {trace}: open it in https://ui.perfetto.dev")
    if roofline:
        runs = {"no cache": rows_of(compiled, program, predict(program, chosen, setting, offset=offset))}
        if best:
            cached = predict(program, chosen, setting, best, offset=offset)
            runs["best cache"] = rows_of(compiled, program, cached)
        need("matplotlib", "cli")
        from nigiri.profile.roofline import roofline as plot

        plot(runs, roofline, mac_units=chosen.mac_units, bytes_per_cycle=setting.bytes_per_cycle(chosen),
             title=f"{network} on {chosen.name}, memory {setting.name}")
        say(f"roofline in {roofline}")
    constants = energy_for_memory(setting.name)
    energy = energy_mj(constants, dram_bytes=got.dram_bytes, pb_bytes=got.nbytes["pb"], macs=target.subnet.macs)
    latency, used = cycles / (chosen.clock_mhz * 1e3), target.subnet.macs / (cycles * chosen.mac_units)
    data = {"network": network, "config": chosen.name, "memory": setting.name, "cache": cache, "device": device,
            "cycles": cycles, "predicted_cycles": got.cycles, "latency_ms": latency,
            "macs": target.subnet.macs, "utilization": used,
            "busy": got.busy, "stalls": got.stalls, "bytes": got.nbytes, "dram_bytes": got.dram_bytes,
            "energy_constants": constants.name,
            "energy_mj": energy,
            "layers": [r.as_dict(chosen.mac_units) for r in rows]}
    if json:
        emit(data)
        return
    need("rich", "cli")
    from rich.console import Console

    from nigiri.profile.table import table

    # Written to a file or a pipe it has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table(rows, chosen.mac_units, title))
    console.print(f"{cycles:,} cycles, {latency:.3f} ms at {chosen.clock_mhz:g} MHz; "
                  f"{100 * used:.1f} % of {chosen.mac_units} MAC units; "
                  f"{got.dram_bytes / 1024:,.0f} KiB off chip; {energy['total']:.2f} mJ ({constants.name} constants)")
