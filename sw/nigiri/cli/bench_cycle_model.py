"""`nigiri bench cycle-model`: how well the cycle model predicts the RTL."""
from __future__ import annotations

from typing import Annotated

import typer

from nigiri.cli.output import emit, say
from nigiri.cli.target import machine, open_device, open_target
from nigiri.cycles.best import best_subgraph
from nigiri.cycles.check import check_program, check_random, summary
from nigiri.runtime.driver import Driver
from nigiri.runtime.errors import BadArgument

__all__ = ["bench_cycle_model"]


def bench_cycle_model(
        config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
        layers: Annotated[str, typer.Option(metavar="random|BUNDLE:SUBNET", help="What to run.")] = "random",
        count: Annotated[int, typer.Option(help="Random layers.")] = 200,
        seed: Annotated[int, typer.Option(help="Seed of the random layers.")] = 0,
        length: Annotated[int, typer.Option(help="Random layers that run as one program.")] = 1,
        cache: Annotated[str, typer.Option(help="none; best: the SubGraph that helps the SubNet most; random: a prefix "
                                           "of every random layer.")] = "none",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Measure every layer on the RTL and compare its cycles with the cycle model's."""
    if count < 1:
        raise BadArgument(f"--count must be at least 1, not {count}")
    if not 1 <= length <= 16:
        raise BadArgument(f"--length must be between 1 and 16, not {length}")
    known = ("none", "random" if layers == "random" else "best")
    if cache not in known:
        raise BadArgument(f"--cache must be {' or '.join(known)} with --layers {layers}, not {cache!r}")
    chosen, setting = machine(config, memory)
    target = None if layers == "random" else open_target(layers)
    compiled = target.compile(chosen) if target else None
    say(f"measuring {layers} layers on the RTL of {chosen.name}, memory {setting.name}")
    device = open_device("rtl", chosen, setting)
    try:
        with Driver(device, chosen) as driver:
            if target is None or compiled is None:
                rows = check_random(driver, setting, count, seed, length=length, cached=cache == "random",
                                    progress=say)
            else:
                name = target.subnet.name
                resident = best_subgraph(compiled, name, setting) if cache == "best" else {}
                rows = check_program(driver, compiled, name, setting, resident)
    finally:
        device.close()
    data = {"config": chosen.name, "memory": setting.name, "source": layers, "cache": cache, **summary(rows)}
    if json:
        emit(data)
        return
    worst = sorted(rows, key=lambda r: -abs(r.error))[:10]
    for r in worst:
        print(f"{100 * r.error:7.2f} %  measured {r.measured:9,}  predicted {r.predicted:9,}  {r.name}")
    print(f"{len(rows)} layers: mean absolute error {100 * data['mean_abs_error']:.2f} %, worst "
          f"{100 * data['worst_abs_error']:.2f} %, all together {100 * data['total_error']:+.2f} %")
