"""A small random SuperNet with everything that networks of ImageNet size use, for tests of compiler and hardware.

A folded stem, a residual stem layer, a maximum pool, a bottleneck whose shortcut averages, squeeze-and-excite with
channel scales, global pools and a classifier; its SubNets take images of different sizes.
"""
from __future__ import annotations

import numpy as np

from nigiri.compiler.graph import (
    INPUT,
    Fold,
    Layer,
    Network,
    Pool,
    Residual,
    Scale,
    SubNet,
    SubNetInfo,
    SuperLayer,
)
from nigiri.compiler.pack import pack_weights

__all__ = ["SIDES", "toy_image_network"]

INPUT_ZP = -7
SIDES = {"small": (13, 10), "large": (30, 37)}
"""Image height and width of each SubNet."""
WEIGHTS = (("stem0", 27, 16, 1, 1, ""), ("stem1", 16, 16, 3, 1, ""), ("stem2", 16, 24, 3, 1, ""),
           ("maxpool", 8, 8, 3, 2, "max"), ("avgpool", 8, 8, 3, 2, "average"), ("scale", 8, 8, 1, 1, "identity"),
           ("conv1", 24, 16, 1, 1, ""), ("conv2", 16, 16, 3, 2, ""), ("shortcut", 24, 32, 1, 1, ""),
           ("conv3", 16, 32, 1, 1, ""), ("expand1", 32, 48, 1, 1, ""), ("dw1", 48, 48, 5, 1, "depthwise"),
           ("squeeze1", 48, 16, 1, 1, ""), ("excite1", 16, 48, 1, 1, ""), ("project1", 48, 32, 1, 1, ""),
           ("expand2", 32, 40, 1, 1, ""), ("dw2", 40, 40, 7, 2, "depthwise"), ("project2", 40, 24, 1, 1, ""),
           ("head", 24, 64, 1, 1, ""), ("fc", 64, 10, 1, 1, ""))
"""name, input channels, output channels, kernel, stride, kind"""


class _Builder:
    def __init__(self, rng: np.random.Generator, layers: tuple[SuperLayer, ...], shape: tuple[int, int, int]):
        self.rng, self.weights = rng, {s.name: s for s in layers}
        self.shapes, self.zp = {INPUT: shape}, {INPUT: INPUT_ZP}
        self.layers: list[Layer] = []

    def add(self, name: str, source: str, *, cout: int = 0, kernel: int = 0, table: bool = False, residual: str = "",
            gate: str = "", pool: bool = False) -> str:
        """One more layer; returns the tensor that the next one reads: the pooled one where there is a pool."""
        s = self.weights[name]
        cin, height, width = self.shapes[source]
        cout = cin if s.own_block else cout or s.cout
        zp = self.zp[source]
        k = kernel or s.kernel
        spread = np.sqrt((1 if s.own_block else cin) * k * k) * 73 * 74
        shift = self.rng.integers(18, 30, cout)
        mult = np.clip(np.rint(60 / spread * 2.0**shift * self.rng.uniform(0.5, 1.5, cout)), 1, 65535)
        bias = self.rng.integers(-int(spread), int(spread), cout)
        zp_out = int(self.rng.integers(-100, 20))
        if s.shared:
            # Pools and the identity pass codes on; the average divides the sum of four differences to the zero point.
            mult, shift = np.ones(cout), np.full(cout, 2 if s.average else 0)
            bias, zp_out = np.full(cout, -4 * zp if s.average else 0), zp if s.average else 0
        h, w = -(-height // s.stride), -(-width // s.stride)
        layer = Layer(
            name=name, weights=s.id, cin=cin, cout=cout, kernel=k, height=height, width=width, source=source,
            bias=bias.astype(np.int32), mult=mult.astype(np.uint16), shift=shift.astype(np.uint8), zp_in=zp,
            zp_out=zp_out, table=self.rng.integers(-128, 128, 256).astype(np.int8) if table else None,
            residual=Residual(source=residual, mult_y=28000, mult_r=19000, shift=15, zp_y=zp_out,
                              zp_res=self.zp[residual], zp_sum=-9) if residual else None,
            scale=Scale(source=gate, mult=40000, shift=15, zp_y=zp, zp_sum=zp + 1) if gate else None,
            pool=Pool(mult=round(2.0**15 / (h * w)), shift=15, zp=-20, offset=-h * w * zp_out) if pool else None)
        self.layers.append(layer)
        self.shapes[name], self.zp[name] = (cout, h, w), -9 if residual else zp + 1 if gate else zp_out
        if s.shared and not gate:
            self.zp[name] = zp
        if pool:
            self.shapes[f"{name}.pool"], self.zp[f"{name}.pool"] = (cout, 1, 1), -20
            return f"{name}.pool"
        return name


def _layers(b: _Builder, large: bool) -> None:
    b.add("stem0", INPUT, table=True)
    b.add("stem1", "stem0", residual="stem0")
    b.add("stem2", "stem1")
    b.add("maxpool", "stem2")
    b.add("conv1", "maxpool")
    b.add("conv2", "conv1")
    b.add("avgpool", "maxpool")
    b.add("shortcut", "avgpool")
    b.add("conv3", "conv2", residual="shortcut")
    b.add("expand1", "conv3", cout=48 if large else 32, table=True)
    pooled = b.add("dw1", "expand1", kernel=5 if large else 3, pool=True)
    b.add("squeeze1", pooled, cout=16 if large else 8, table=True)
    b.add("excite1", "squeeze1", cout=48 if large else 32, table=True)
    b.add("scale", "dw1", gate="excite1")
    b.add("project1", "scale", residual="conv3")
    b.add("expand2", "project1", cout=40 if large else 24, table=True)
    b.add("dw2", "expand2", kernel=7 if large else 3)
    b.add("project2", "dw2")
    b.add("fc", b.add("head", "project2", pool=True))


def _packed(rng: np.random.Generator) -> tuple[tuple[SuperLayer, ...], np.ndarray]:
    layers: list[SuperLayer] = []
    words: list[np.ndarray] = []
    for n, (name, cin, cout, kernel, stride, kind) in enumerate(WEIGHTS):
        s = SuperLayer(id=n, name=name, cin=cin, cout=cout, kernel=kernel, stride=stride, maximum=kind == "max",
                       depthwise=kind in ("depthwise", "average", "identity"),
                       shared=kind in ("max", "average", "identity"), offset=sum(x.words for x in layers))
        w = rng.integers(-127, 128, (cout, 1 if s.depthwise else cin, kernel, kernel)).astype(np.int8)
        if s.shared:
            w[:] = 0
            w[:, 0, kernel // 2:kernel // 2 + 2, kernel // 2:kernel // 2 + 2] = 0 if s.maximum else 1
        layers.append(s)
        words.append(pack_weights(s, w))
    return tuple(layers), np.concatenate(words)


def toy_image_network(seed: int = 0, sides: dict[str, tuple[int, int]] | None = None) -> Network:
    """The network for `seed` with the SubNets `small` and `large`; `sides`: image heights and widths by SubNet."""
    rng = np.random.default_rng(seed)
    layers, words = _packed(rng)
    table = np.clip(np.arange(256) - np.array([[128], [131], [140]]), -128, 127).astype(np.int8)
    subnets = []
    for name, (height, width) in (sides or SIDES).items():
        builder = _Builder(rng, layers, (27, -(-height // 2), -(-width // 2)))
        _layers(builder, name == "large")
        info = SubNetInfo(name=name, macs=0, weight_bytes=0, accuracy_int8=0.0, accuracy_float=0.0)
        subnets.append(SubNet(info=info, layers=tuple(builder.layers), height=height, width=width))
    height, width = max((sides or SIDES).values())
    network = Network(name="toy-image", height=height, width=width, channels=3, classes=10, input_table=table,
                      input_zp=INPUT_ZP, layers=layers, weights=words, subnets=tuple(subnets),
                      fold=Fold(kernel=3, stride=2))
    network.check()
    return network
