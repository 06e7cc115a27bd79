"""`nigiri bench speed`: how fast the simulation runs."""
from __future__ import annotations

import time
from typing import Annotated

import typer

from nigiri.cli.bench_network import test_images
from nigiri.cli.output import emit, say
from nigiri.cli.target import machine, open_device, open_target
from nigiri.runtime.engine import Engine

__all__ = ["bench_speed"]


def bench_speed(
        config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
        network: Annotated[str, typer.Option(metavar="BUNDLE:SUBNET", help="What to run.")] = "demo:max",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        seconds: Annotated[float, typer.Option(help="How long to measure.")] = 5.0,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Simulated cycles per second of the RTL while it runs a network, host work included.

    The figure per second of processor time is the one to compare when other programs run on the machine.
    """
    target = open_target(network)
    chosen, setting = machine(config, memory)
    compiled = target.compile(chosen)
    say(f"building the simulation of {chosen.name}")
    opened = open_device("rtl", chosen, setting)
    try:
        with Engine(opened, compiled) as engine:
            image = test_images(compiled, target.subnet.name)[0]
            engine.infer(target.subnet.name, image)
            say(f"running {target.subnet.name} for {seconds:g} s")
            cycles, runs, start, cpu = 0, 0, time.perf_counter(), time.process_time()
            while not runs or time.perf_counter() - start < seconds:
                cycles += engine.infer(target.subnet.name, image).counters.cycles
                runs += 1
            elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    finally:
        opened.close()
    data = {"config": chosen.name, "memory": setting.name, "network": network, "runs": runs, "cycles": cycles,
            "seconds": elapsed, "cycles_per_second": cycles / elapsed, "cpu_seconds": cpu,
            "cycles_per_cpu_second": cycles / cpu}
    if json:
        emit(data)
    else:
        print(f"{chosen.name}: {cycles / elapsed:,.0f} cycles/s, {cycles / cpu:,.0f} per second of processor time "
              f"({runs} runs of {network}, {cycles:,} cycles in {elapsed:.1f} s)")
