"""A SubNet of a hybrid space without weights: as large as the real one and as fast, for estimates.  No torch."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from nigiri.compiler.graph import INPUT, Layer, Network, Pool, Residual, SubNet, SubNetInfo, SuperLayer
from nigiri.hybrid.host import Softmax, Step, parts_of
from nigiri.hybrid.space import HybridConfig, HybridSpace

__all__ = ["NAME", "blank"]

NAME = "candidate"
"""Of the only SubNet."""


@lru_cache(maxsize=4)
def _layers(space: HybridSpace) -> tuple[SuperLayer, ...]:
    """The SuperNet's layers in the order of :func:`nigiri.quant.weights.share`, and the two products."""
    out: list[SuperLayer] = []

    def add(name: str, cin: int, cout: int, kernel: int = 1, stride: int = 1, depthwise: bool = False,
            product: bool = False, transpose: bool = False) -> None:
        out.append(SuperLayer(id=len(out), name=name, cin=cin, cout=cout, kernel=kernel, stride=stride,
                              depthwise=depthwise, product=product, transpose=transpose,
                              offset=sum(s.words for s in out)))

    add("stem", space.channels, space.stem, 3)
    add("down", space.stem, space.down, 3, 2)
    for b in space.blocks:
        mid = b.cin * max(b.expands)
        add(f"{b.name}.expand", b.cin, mid)
        add(f"{b.name}.dw", mid, mid, max(b.kernels), b.stride, True)
        add(f"{b.name}.project", mid, b.cout)
    for b in space.blocks:
        if not space.elastic(b):
            continue
        d, mid = space.widths[b.stage], b.cin * max(b.expands)
        for h in range(max(space.heads)):
            for p in "qkv":
                add(f"{b.name}.{p}{h}", b.cin, d)
            add(f"{b.name}.o{h}", d, b.cin)
        add(f"{b.name}.up", b.cin, mid)
        add(f"{b.name}.down", mid, b.cout)
    add("head", space.stages[-1].width, space.head)
    add("fc", space.head, space.classes)
    add("product", 8, 8, product=True)
    add("product.transpose", 8, 8, product=True, transpose=True)
    return tuple(out)


class _Builder:
    def __init__(self, space: HybridSpace, config: HybridConfig):
        self.space, self.config = space, config
        self.named = {s.name: s for s in _layers(space)}
        self.shapes = {INPUT: (space.channels, space.image, space.image)}
        self.steps: list[Step] = []

    def add(self, name: str, cout: int, source: str, kernel: int = 1, residual: str = "", pool: bool = False,
            operand: str = "", weights: str = "") -> str:
        s, (cin, height, width) = self.named[weights or name], self.shapes[source]
        # Constants of no other layer, as in a real network.
        self.steps.append(Layer(
            name=name, weights=s.id, cin=cin, cout=cout, kernel=kernel, height=height, width=width, source=source,
            operand=operand, bias=np.full(cout, len(self.steps), np.int32), mult=np.ones(cout, np.uint16),
            shift=np.zeros(cout, np.uint8), zp_in=0, zp_out=0, act_min=-127,
            residual=Residual(source=residual, mult_y=1, mult_r=1, shift=0, zp_y=0, zp_res=0, zp_sum=0)
            if residual else None, pool=Pool(mult=1, shift=0, zp=0, offset=0) if pool else None))
        self.shapes[name] = (cout, -(-height // s.stride), -(-width // s.stride))
        self.shapes[f"{name}.pool"] = (cout, 1, 1)
        return f"{name}.pool" if pool else name

    def attention(self, name: str, stage: int, heads: int, mid: int, x: str) -> str:
        channels, height, width = self.shapes[x]
        d, entry, soft = self.space.widths[stage], x, self.config.norm == "softmax"
        for h in range(heads):
            for p in "qkv":
                self.add(f"{name}.{p}{h}", d, entry)
            self.add(f"{name}.{'r' if soft else 's'}{h}", height * width, f"{name}.q{h}", operand=f"{name}.k{h}",
                     weights="product")
        if soft:
            self.steps.append(Softmax(name=f"{name}.softmax", sources=tuple(f"{name}.r{h}" for h in range(heads)),
                                      results=tuple(f"{name}.s{h}" for h in range(heads)), scales=(0.1,) * heads))
            self.shapes |= {f"{name}.s{h}": self.shapes[f"{name}.r{h}"] for h in range(heads)}
        for h in range(heads):
            self.add(f"{name}.a{h}", d, f"{name}.s{h}", operand=f"{name}.v{h}", weights="product.transpose")
            x = self.add(f"{name}.o{h}", channels, f"{name}.a{h}", residual=x)
        return self.add(f"{name}.down", channels, self.add(f"{name}.up", mid, x), residual=x)

    def build(self) -> tuple[Step, ...]:
        space, config = self.space, self.config
        x = self.add("down", space.down, self.add("stem", space.stem, INPUT, 3), 3)
        for n, b in space.active(config):
            mid = b.cin * config.expands[n]
            if config.kinds[n]:
                x = self.attention(b.name, b.stage, config.heads[n], mid, x)
            else:
                y = self.add(f"{b.name}.dw", mid, self.add(f"{b.name}.expand", mid, x), config.kernels[n])
                x = self.add(f"{b.name}.project", b.cout, y, residual=x if b.residual else "")
        self.add("fc", space.classes, self.add("head", space.head, x, pool=True))
        return tuple(self.steps)


def blank(space: HybridSpace, config: HybridConfig) -> tuple[Network, tuple[Step, ...], tuple[SubNet | Softmax, ...]]:
    """(network, steps, parts) of a SubNet; see :func:`nigiri.hybrid.integer.hybrid_network` for the real thing."""
    layers, builder = _layers(space), _Builder(space, config)
    steps = builder.build()
    macs, weights = space.cost(config)
    info = SubNetInfo(name=NAME, macs=macs, weight_bytes=weights, accuracy_int8=0.0, accuracy_float=0.0)
    parts = parts_of(SubNet(info=info, layers=()), steps, {INPUT: builder.shapes[INPUT]}, layers)
    network = Network(name=space.name, height=space.image, width=space.image, channels=space.channels,
                      classes=space.classes, input_table=np.zeros((space.channels, 256), np.int8), input_zp=0,
                      layers=layers, weights=np.zeros((sum(s.words for s in layers), 64), np.uint8),
                      subnets=tuple(p for p in parts if isinstance(p, SubNet)))
    return network, steps, parts
