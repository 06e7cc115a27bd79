"""What a SubNet costs on a configuration, from the compiler and the cycle model, without weights and calibration."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nigiri.compiler.compile import compile_network
from nigiri.compiler.graph import Layer, Network, Pool, Residual, Scale, SubNet, SubNetInfo, SuperLayer
from nigiri.cycles import predict
from nigiri.cycles.best import best_subgraph
from nigiri.energy import energy_for_memory, energy_mj
from nigiri.spec import AcceleratorConfig, MemorySetting
from nigiri.zoo.build import cost
from nigiri.zoo.calibrate import FOLD, INPUT_ZP, input_table
from nigiri.zoo.image import fixed_words
from nigiri.zoo.plan import Act, Choice, Family, Step

__all__ = ["NAME", "Cost", "blank", "cost_of"]

NAME = "candidate"
"""Of the only SubNet of a blank network."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One image.  cycles, ms: from start to done.  mj: energy, see :mod:`nigiri.energy`.

    weight_bytes: that the SubNet has, in whole words.  dram_bytes, pb_bytes: that are read (and written) off the chip,
    and read from the persistent buffer.
    """

    cycles: int
    ms: float
    mj: float
    macs: int
    weight_bytes: int
    dram_bytes: int
    pb_bytes: int


def _layer(n: int, step: Step, layers: dict[str, SuperLayer]) -> Layer:
    """The layer of a step; its constants are those of no network, but no other layer's, as after calibration."""
    s = layers[step.weights]
    plain = step.act is Act.NONE
    parts: dict = {}
    if step.residual:
        parts["residual"] = Residual(source=step.residual, mult_y=1, mult_r=1, shift=0, zp_y=0, zp_res=0, zp_sum=0)
    if step.scale:
        parts["scale"] = Scale(source=step.scale, mult=1, shift=0, zp_y=0, zp_sum=0)
    if step.pool:
        parts["pool"] = Pool(mult=1, shift=0, zp=0, offset=0)
    if step.act in (Act.HSWISH, Act.HSIGMOID):
        parts["table"] = np.full(256, n % 256 - 128, np.int8)
    averages = plain and s.depthwise and s.kernel > 1
    return Layer(name=step.name, weights=s.id, cin=step.cin, cout=step.cout, kernel=step.kernel, height=step.side,
                 width=step.side, source=step.source, bias=np.full(step.cout, 0 if plain else n + 1, np.int32),
                 mult=np.ones(step.cout, np.uint16), shift=np.full(step.cout, 2 if averages else 0, np.uint8),
                 zp_in=0, zp_out=0, **parts)


@lru_cache
def _layers(family: Family) -> tuple[SuperLayer, ...]:
    return family.layers()


@lru_cache(maxsize=2)
def _weights(layers: tuple[SuperLayer, ...]) -> np.ndarray:
    out = np.zeros((sum(s.words for s in layers), 64), np.uint8)
    for s in layers:
        fixed = fixed_words(s)
        if fixed is not None:                  # the compiler looks for the identity
            out[s.offset:s.offset + s.words] = fixed
    return out


def blank(family: Family, choice: Choice) -> Network:
    """The SuperNet with one SubNet, without weights: as large as the real one, and as fast."""
    layers, steps = _layers(family), family.steps(choice)
    by_name = {s.name: s for s in layers}
    macs, weight_bytes, _ = cost(layers, steps)
    info = SubNetInfo(name=NAME, macs=macs, weight_bytes=weight_bytes, accuracy_int8=0.0, accuracy_float=0.0)
    subnet = SubNet(info=info, height=choice.side, width=choice.side,
                    layers=tuple(_layer(n, step, by_name) for n, step in enumerate(steps)))
    return Network(name=family.name, height=choice.side, width=choice.side, channels=3, classes=1000,
                   input_table=input_table(), input_zp=INPUT_ZP, layers=layers, weights=_weights(layers), fold=FOLD,
                   subnets=(subnet,))


def cost_of(family: Family, choice: Choice, config: AcceleratorConfig, memory: MemorySetting,
            cache: str = "none") -> Cost:
    """Cost of one image with nothing cached, or with the SubGraph that helps the SubNet most (`cache` "best").

    Raises
    ------
    CompileError: the SubNet does not fit the configuration.
    """
    network = blank(family, choice)
    compiled = compile_network(network, config)
    boxes = best_subgraph(compiled, NAME, memory) if cache == "best" else {}
    got = predict(compiled.descriptors(NAME), config, memory, boxes, offset=compiled.program(NAME)[0])
    info, pb = network.subnets[0].info, got.nbytes["pb"]
    energy = energy_mj(energy_for_memory(memory.name), dram_bytes=got.dram_bytes, pb_bytes=pb, macs=info.macs)
    return Cost(cycles=got.cycles, ms=got.cycles / (config.clock_mhz * 1e3), mj=energy["total"], macs=info.macs,
                weight_bytes=info.weight_bytes, dram_bytes=got.dram_bytes, pb_bytes=pb)
