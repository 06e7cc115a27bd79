"""A hybrid space that fits the test's patience, and a network of it with random constants and weights."""
from dataclasses import replace

import numpy as np

from nigiri.compiler.graph import Layer, Network, SubNet
from nigiri.compiler.pack import pack_weights
from nigiri.hybrid.blank import blank
from nigiri.hybrid.host import Softmax
from nigiri.hybrid.space import HybridConfig, HybridSpace
from nigiri.supernet.space import Stage

SPACE = HybridSpace(name="small", image=16, channels=3, stem=8, down=8, classes=10, head=24, attention=(0, 1),
                    widths=(8, 16), heads=(1, 2),
                    stages=(Stage(width=8, stride=1, depths=(1, 2), expands=(1, 2)),
                            Stage(width=16, stride=2, depths=(1, 2), expands=(1, 2))))


def config(norm: str = "relu", kinds=(0, 1, 0, 1), heads=(1, 2, 1, 2)) -> HybridConfig:
    return replace(SPACE.largest(), kinds=kinds, heads=heads, norm=norm)


def _random(layer: Layer, rng: np.random.Generator) -> Layer:
    products = layer.cin * layer.kernel**2
    spread = np.sqrt(products) * 73 * 74
    mult = np.clip(np.rint(60 / spread * 2.0**24 * rng.uniform(0.5, 1.5, layer.cout)), 1, 65535)
    positive = layer.name.split(".")[-1].startswith("s")
    return replace(
        layer, bias=rng.integers(-int(spread), int(spread), layer.cout).astype(np.int32) * (not layer.operand),
        mult=mult.astype(np.uint16), shift=np.full(layer.cout, 24, np.uint8), act_min=0 if positive else layer.act_min,
        residual=replace(layer.residual, mult_y=30000, mult_r=20000, shift=15) if layer.residual else None,
        pool=replace(layer.pool, mult=4000, shift=15) if layer.pool else None)


def random_network(subnet: HybridConfig, seed: int = 0) -> tuple[Network, tuple[SubNet | Softmax, ...]]:
    """A SubNet of the space with random weights and constants: (network, parts)."""
    rng = np.random.default_rng(seed)
    network, _, parts = blank(SPACE, subnet)
    words = [pack_weights(s, rng.integers(-127, 128, (s.cout, 1 if s.depthwise else s.cin, s.kernel, s.kernel))
                          .astype(np.int8)) for s in network.layers if not s.product]
    parts = tuple(p if isinstance(p, Softmax) else replace(p, layers=tuple(_random(x, rng) for x in p.layers))
                  for p in parts)
    table = np.clip(np.arange(256) - 128, -128, 127).astype(np.int8)[None].repeat(3, 0)
    network = replace(network, weights=np.concatenate(words), input_table=table,
                      subnets=tuple(p for p in parts if isinstance(p, SubNet)))
    network.check()
    return network, parts
