"""`nigiri run`: classify one image."""
from __future__ import annotations

from typing import Annotated

import typer

from nigiri.cli.images import class_name, read_image
from nigiri.cli.output import emit, say
from nigiri.cli.target import machine, open_device, open_target
from nigiri.runtime.engine import Engine

__all__ = ["run"]


def run(network: Annotated[str, typer.Argument(metavar="BUNDLE:SUBNET", help="For example demo:max.")],
        image: Annotated[str, typer.Argument(help="A .png, .jpg or .npy file, or cifar512:N, a shipped image.")],
        device: Annotated[str, typer.Option(help="rtl or golden.")] = "rtl",
        config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Classify one image with one SubNet."""
    target = open_target(network)
    chosen, setting = machine(config, memory)
    compiled = target.compile(chosen)
    picture = read_image(image, compiled, target.subnet.name)
    say(f"{target.subnet.name} on {device} ({chosen.name}, {setting.name})")
    opened = open_device(device, chosen, setting)
    try:
        with Engine(opened, compiled) as engine:
            got = engine.infer(target.subnet.name, picture.pixels)
    finally:
        opened.close()
    cycles = got.counters.cycles
    data = {"subnet": target.subnet.name, "device": device, "config": chosen.name, "memory": setting.name,
            "image": image, "label": got.label, "class": class_name(got.label, compiled.classes),
            "true_label": picture.label, "logits": got.logits.tolist(), "cycles": cycles or None,
            "latency_ms": cycles / (chosen.clock_mhz * 1e3) if cycles else None}
    if json:
        emit(data)
        return
    truth = "" if picture.label is None else f" (true class: {class_name(picture.label, compiled.classes)})"
    print(f"class {got.label}: {data['class']}{truth}")
    if cycles:
        print(f"{cycles:,} cycles, {cycles / (chosen.clock_mhz * 1e3):.3f} ms at {chosen.clock_mhz:g} MHz")
