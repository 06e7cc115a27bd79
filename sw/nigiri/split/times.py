"""How long each layer of a SubNet takes: on an array by the cycle model, on this machine by measurement."""
from __future__ import annotations

import time

import numpy as np

from nigiri.compiler.graph import Network
from nigiri.compiler.interpret import Interpreter
from nigiri.cycles import predict
from nigiri.runtime.errors import BadArgument
from nigiri.spec import AcceleratorConfig, MemorySetting, get_config
from nigiri.spec.descriptor import Opcode
from nigiri.spec.memory import default_memory
from nigiri.split.part import compile_parts, part_of

__all__ = ["array_ms", "measured_ms", "side_ms"]


def array_ms(network: Network, subnet: str, config: AcceleratorConfig, memory: MemorySetting,
             clock_mhz: float | None = None) -> list[float]:
    """Milliseconds of every layer, from the cycle model over the whole SubNet; transfers count with the layer before
    them, those of the image with the first."""
    count = len(network.subnet(subnet).layers)
    part = part_of(network, subnet, 0, count)
    compiled = compile_parts(network, config, [part]).compiled
    program = compiled.descriptors(part.info.name)
    got = predict(program, config, memory, offset=compiled.program(part.info.name)[0])
    number = {layer.name: n for n, layer in enumerate(part.layers)}
    by_id: dict[int, list[int]] = {}
    for layer in part.layers:
        by_id.setdefault(layer.weights, []).append(number[layer.name])
    out, now, waiting = [0.0] * count, -1, 0.0
    for d, x in zip(program, got.layers, strict=True):
        ms = x.cycles / (1e3 * (clock_mhz or config.clock_mhz))
        if d["opcode"] == Opcode.CONV:
            # Bands come back to earlier layers; of a layer that occurs twice the next one is meant.
            candidates = by_id[d["layer"]]
            now = next((n for n in candidates if n >= now), candidates[-1])
            out[now] += ms + waiting
            waiting = 0.0
        elif now < 0:
            waiting += ms
        else:
            out[now] += ms
    return out


def side_ms(network: Network, subnet: str, machine: str) -> list[float]:
    """:func:`array_ms` for CONFIG or CONFIG@MHz, with the board's memory.

    Raises
    ------
    ConfigError: no such configuration.  BadArgument: the clock is no positive number.
    """
    name, _, clock = machine.partition("@")
    config = get_config(name)
    try:
        mhz = float(clock) if clock else config.clock_mhz
    except ValueError:
        mhz = 0.0
    if not 0 < mhz < 10_000:
        raise BadArgument(f"{machine!r} must be CONFIG or CONFIG@MHz, such as zcu104@200")
    return array_ms(network, subnet, config, default_memory(config), mhz)


def measured_ms(network: Network, subnet: str, repeat: int = 3) -> list[float]:
    """Milliseconds of every layer in NumPy on this machine, the median of `repeat` runs."""
    golden = Interpreter(network, subnet)
    height, width = network.image_side(golden.subnet)
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, network.channels), dtype=np.uint8)
    runs = []
    for _ in range(repeat):
        tensors, times = {"input": golden.encode(image)}, []
        for n in range(len(golden.subnet.layers)):
            began = time.perf_counter()
            tensors = golden.part(tensors, n, n + 1)
            times.append(1e3 * (time.perf_counter() - began))
        runs.append(times)
    return [float(x) for x in np.median(runs, axis=0)]
