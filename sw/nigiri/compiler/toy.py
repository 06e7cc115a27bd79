"""A small random SuperNet that fits every configuration: for tests and for a first run on simulated hardware.

It has what the compiler can express: dense and depthwise layers of stride 1 and 2, odd image sides, a residual
addition, a table, an average pool and a classifier; its SubNets differ in depth, width and kernel.
"""
from __future__ import annotations

import numpy as np

from nigiri.compiler.graph import INPUT, Layer, Network, Pool, Residual, SubNet, SubNetInfo, SuperLayer
from nigiri.compiler.pack import pack_weights

__all__ = ["toy_network"]

SHAPES = (("stem", 3, 16, 3, 1, False), ("dw1", 16, 16, 5, 2, True), ("expand", 16, 48, 1, 1, False),
          ("dw2", 48, 48, 7, 1, True), ("project", 48, 16, 1, 1, False), ("down", 16, 24, 3, 2, False),
          ("head", 24, 40, 1, 1, False), ("fc", 40, 10, 1, 1, False))
"""name, input channels, output channels, kernel, stride, depthwise"""
SUBNETS = {"min": {"dw1": (16, 3), "head": (16, 1)},
           "mid": {"dw1": (16, 5), "expand": (24, 1), "dw2": (24, 3), "project": (16, 1), "head": (40, 1)},
           "max": {"dw1": (16, 5), "expand": (48, 1), "dw2": (48, 7), "project": (16, 1), "head": (40, 1)}}
"""Output channels and kernel of each elastic layer; an elastic layer that is not named is skipped."""
ALWAYS = ("stem", "down", "fc")


class _Random:
    def __init__(self, seed: int, height: int, width: int):
        self.rng = np.random.default_rng(seed)
        self.height, self.width = height, width

    def super_layers(self) -> tuple[tuple[SuperLayer, ...], np.ndarray]:
        layers: list[SuperLayer] = []
        words = []
        for n, (name, cin, cout, kernel, stride, depthwise) in enumerate(SHAPES):
            layers.append(SuperLayer(id=n, name=name, cin=cin, cout=cout, kernel=kernel, stride=stride,
                                     depthwise=depthwise, offset=sum(s.words for s in layers)))
            shape = (cout, 1 if depthwise else cin, kernel, kernel)
            words.append(pack_weights(layers[-1], self.rng.integers(-127, 128, shape).astype(np.int8)))
        return tuple(layers), np.concatenate(words)

    def layer(self, s: SuperLayer, cin: int, cout: int, kernel: int, height: int, width: int, source: str,
              zp_in: int) -> Layer:
        products = (1 if s.depthwise else cin) * kernel ** 2
        spread = np.sqrt(products) * 73 * 74                # of an accumulator of uniform weights and codes
        shift = self.rng.integers(18, 30, cout)
        mult = np.clip(np.rint(60 / spread * 2.0**shift * self.rng.uniform(0.5, 1.5, cout)), 0, 65535)
        zp_out = int(self.rng.integers(-128, 20))
        pixels = -(-height // s.stride) * -(-width // s.stride)
        residual = Residual(source="dw1", mult_y=30000, mult_r=17000, shift=15, zp_y=zp_out, zp_res=3, zp_sum=-9)
        pool = Pool(mult=round(2.0**15 / pixels), shift=15, zp=-20, offset=-pixels * zp_out)
        return Layer(name=s.name, weights=s.id, cin=cin, cout=cout, kernel=kernel, height=height, width=width,
                     source=source, bias=self.rng.integers(-int(spread), int(spread), cout).astype(np.int32),
                     mult=mult.astype(np.uint16), shift=shift.astype(np.uint8), zp_in=zp_in, zp_out=zp_out,
                     act_min=-120 if s.name == "dw2" else -128, act_max=100 if s.name == "dw2" else 127,
                     residual=residual if s.name == "project" else None, pool=pool if s.name == "head" else None,
                     table=self.rng.integers(-128, 128, 256).astype(np.int8) if s.name in ("expand", "down") else None)

    def subnet(self, name: str, layers: tuple[SuperLayer, ...]) -> SubNet:
        out: list[Layer] = []
        source, channels, height, width, zp, macs = INPUT, 3, self.height, self.width, 5, 0
        for s in layers:
            if s.name in ALWAYS or s.name in SUBNETS[name]:
                cout, kernel = SUBNETS[name].get(s.name, (s.cout, s.kernel))
                layer = self.layer(s, channels, cout, kernel, height, width, source, zp)
                out.append(layer)
                height, width = -(-height // s.stride), -(-width // s.stride)
                macs += height * width * cout * kernel ** 2 * (1 if s.depthwise else channels)
                source, channels, zp = s.name, cout, layer.zp_out
                if layer.residual:
                    zp = layer.residual.zp_sum
                if layer.pool:
                    source, height, width, zp = f"{s.name}.pool", 1, 1, layer.pool.zp
        return SubNet(info=SubNetInfo(name=name, macs=macs, weight_bytes=0, accuracy_int8=0.0, accuracy_float=0.0),
                      layers=tuple(out))


def toy_network(seed: int = 0, height: int = 11, width: int = 9) -> Network:
    """The network for `seed`; images are uint8 [height, width, 3]."""
    r = _Random(seed, height, width)
    layers, weights = r.super_layers()
    table = np.clip(np.arange(256) - np.array([[120], [128], [135]]), -128, 127).astype(np.int8)
    network = Network(name="toy", height=height, width=width, channels=3, classes=10, input_table=table, input_zp=5,
                      layers=layers, weights=weights, subnets=tuple(r.subnet(name, layers) for name in SUBNETS))
    network.check()
    return network
