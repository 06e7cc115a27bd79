"""How long both sides of every cut take: on an array by the cycle model, on this machine by measurement."""
from __future__ import annotations

import math
import time
from itertools import accumulate
from typing import Literal

import numpy as np

from nigiri.compiler.errors import ActivationBufferError, DynamicBufferError
from nigiri.compiler.graph import Network
from nigiri.compiler.interpret import Interpreter
from nigiri.cycles import predict
from nigiri.runtime.errors import BadArgument
from nigiri.spec import AcceleratorConfig, MemorySetting, get_config
from nigiri.spec.memory import default_memory
from nigiri.split.part import compile_parts, part_of

__all__ = ["Side", "array_ms", "measured_ms", "side_ms"]

Side = Literal["before", "behind"]
HOST = "host"


def array_ms(network: Network, subnet: str, side: Side, config: AcceleratorConfig, memory: MemorySetting,
             clock_mhz: float | None = None) -> list[float]:
    """Milliseconds of one side of every cut, by the cycle model of the program that would run there: it stores or
    loads what crosses, which the whole SubNet keeps on the chip.  Infinite where the array cannot run such a part:
    tensors that the whole SubNet has in bands of rows may be too large where they end a part."""
    count = len(network.subnet(subnet).layers)
    ends = [(0, n) for n in range(1, count + 1)] if side == "before" else [(n, count) for n in range(count)]
    out = []
    for e in ends:
        part = part_of(network, subnet, *e)
        try:
            compiled = compile_parts(network, config, [part]).compiled
        except (ActivationBufferError, DynamicBufferError):
            out.append(math.inf)
            continue
        at, _ = compiled.program(part.info.name)
        cycles = predict(compiled.descriptors(part.info.name), config, memory, offset=at).cycles
        out.append(cycles / (1e3 * (clock_mhz or config.clock_mhz)))
    return [0.0, *out] if side == "before" else [*out, 0.0]


def side_ms(network: Network, subnet: str, side: Side, machine: str) -> list[float]:
    """:func:`array_ms` for CONFIG or CONFIG@MHz with the board's memory, :func:`measured_ms` for host.

    Raises
    ------
    ConfigError: no such configuration.  BadArgument: the clock is no positive number.
    """
    if machine == HOST:
        return measured_ms(network, subnet, side)
    name, _, clock = machine.partition("@")
    config = get_config(name)
    try:
        mhz = float(clock) if clock else config.clock_mhz
    except ValueError:
        mhz = 0.0
    if not 0 < mhz < 10_000:
        raise BadArgument(f"{machine!r} must be CONFIG or CONFIG@MHz, such as zcu104@200")
    return array_ms(network, subnet, side, config, default_memory(config), mhz)


def measured_ms(network: Network, subnet: str, side: Side, repeat: int = 3) -> list[float]:
    """Milliseconds of one side of every cut in NumPy on this machine, from the median of `repeat` runs."""
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
    layers = [float(x) for x in np.median(runs, axis=0)]
    return [0.0, *accumulate(layers)] if side == "before" else [0.0, *accumulate(layers[::-1])][::-1]
