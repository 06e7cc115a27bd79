"""Integer networks of SubNets with attention: layers over the shared weights, and steps of the host between them.

Queries, keys, values and attention weights have zero point 0, as products need; with relu the division by the number
of tokens and by the root of a head's width is part of the product's requantisation, so that attention is nothing but
layers.  With softmax the product leaves scores, and the host makes weights of 0 .. 127 from them.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nigiri.compiler.graph import INPUT, Layer, Network, Pool, Residual, SubNet, SubNetInfo, SuperLayer
from nigiri.hybrid.host import Softmax, Step, parts_of
from nigiri.hybrid.model import HybridNet
from nigiri.hybrid.space import HybridConfig
from nigiri.quant.fixed import common_shift, fold, multiplier
from nigiri.quant.ranges import Scale, choose, input_table, measure, symmetric
from nigiri.quant.weights import SharedWeights, dequantised, share
from nigiri.supernet.calibrate import Stats, running_statistics
from nigiri.supernet.model import EPS, ElasticConv

__all__ = ["HybridSubNet", "hybrid_network"]

WEIGHTS = 127
"""Code of an attention weight of 1 after softmax."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HybridSubNet:
    """A SubNet as steps; `parts`: runs of layers between steps of the host, as SubNets of the network."""

    name: str
    config: HybridConfig
    steps: tuple[Step, ...]
    parts: tuple[SubNet | Softmax, ...]


def _head(name: str) -> tuple[str, int]:
    """("s1b2.q0") -> ("q", 0); other names give their last part and -1."""
    last = name.rpartition(".")[2]
    return (last[0], int(last[1:])) if last[1:].isdigit() and last[0] in "qkvorsa" else (last, -1)


class _Builder:
    def __init__(self, net: HybridNet, shared: SharedWeights, products: tuple[SuperLayer, SuperLayer], stats: Stats,
                 scales: dict[str, Scale], config: HybridConfig):
        self.net, self.shared, self.products, self.stats = net, shared, products, stats
        self.scales, self.config, self.steps = scales, config, list[Step]()
        self.shapes = {INPUT: (net.space.channels, net.space.image, net.space.image)}

    def weights(self, layer: tuple[str, ElasticConv, int, int], source: str, residual: str = "",
                pool: bool = False) -> str:
        """A layer of the SuperNet; returns the tensor that goes on."""
        name, module, cout, kernel = layer
        mean, var = (t.double().numpy() for t in self.stats[name])
        gamma, beta = (p.detach().double().numpy()[:cout] for p in (module.gamma, module.beta))
        slope = gamma / np.sqrt(var + EPS)
        return self.dense(name, cout, kernel, source, np.abs(slope), beta - slope * mean, residual, pool)

    def dense(self, name: str, cout: int, kernel: int, source: str, slope: np.ndarray, offset: np.ndarray,
              residual: str = "", pool: bool = False) -> str:
        s, scale = self.shared.layer(name), self.scales[source]
        cin, height, width = self.shapes[source]
        own = self.scales[f"{name}.y" if residual else name]
        c = (s.kernel - kernel) // 2
        codes = self.shared.codes[name][:cout, :1 if s.depthwise else cin, c:c + kernel, c:c + kernel]
        bias, mult, shift = fold(slope=slope, offset=offset, s_in=scale.step, s_w=self.shared.scales[name][:cout],
                                 s_out=own.step, zp_in=scale.zp, sums=codes.reshape(cout, -1).sum(1, dtype=np.int64))
        self.shapes[name] = (cout, -(-height // s.stride), -(-width // s.stride))
        pixels = self.shapes[name][1] * self.shapes[name][2]
        self.steps.append(Layer(
            name=name, weights=s.id, cin=cin, cout=cout, kernel=kernel, height=height, width=width, source=source,
            bias=bias, mult=mult, shift=shift, zp_in=scale.zp, zp_out=own.zp, step=self.scales[name].step,
            act_min=-127 if _head(name)[0] in "kv" and _head(name)[1] >= 0 else -128,
            residual=self._residual(name, residual) if residual else None,
            pool=self._pool(name, pixels) if pool else None))
        if pool:
            self.shapes[f"{name}.pool"] = (cout, 1, 1)
        return f"{name}.pool" if pool else name

    def product(self, name: str, source: str, operand: str, transpose: bool, factor: float, low: int) -> str:
        """source (pixels x channels) times operand, times `factor`."""
        cin, height, width = self.shapes[source]
        channels, h, w = self.shapes[operand]
        cout = channels if transpose else h * w
        m = self.scales[source].step * self.scales[operand].step * factor / self.scales[name].step
        mult, shift = multiplier(m)
        self.shapes[name] = (cout, height, width)
        self.steps.append(Layer(
            name=name, weights=self.products[transpose].id, cin=cin, cout=cout, kernel=1, height=height, width=width,
            source=source, operand=operand, bias=np.zeros(cout, np.int32), mult=np.full(cout, mult, np.uint16),
            shift=np.full(cout, shift, np.uint8), zp_in=0, zp_out=self.scales[name].zp, act_min=low,
            step=self.scales[name].step))
        return name

    def _residual(self, name: str, source: str) -> Residual:
        y, r, total = self.scales[f"{name}.y"], self.scales[source], self.scales[name]
        (mult_y, mult_r), shift = common_shift([y.step / total.step, r.step / total.step])
        return Residual(source=source, mult_y=mult_y, mult_r=mult_r, shift=shift, zp_y=y.zp, zp_res=r.zp,
                        zp_sum=total.zp)

    def _pool(self, name: str, pixels: int) -> Pool:
        one, mean = self.scales[name], self.scales[f"{name}.pool"]
        mult, shift = multiplier(one.step / (pixels * mean.step))
        return Pool(mult=mult, shift=shift, zp=mean.zp, offset=-pixels * one.zp)

    def attention(self, block: str, layers: list[tuple[str, ElasticConv, int, int]], heads: int, x: str) -> str:
        """An attention block: scores of all heads first, so that one step of the host serves them all."""
        entry, soft = x, self.config.norm == "softmax"
        pixels = self.shapes[x][1] * self.shapes[x][2]
        width, scores = layers[0][2], []
        for h in range(heads):
            q, k, _ = (self.weights(layer, entry) for layer in layers[4 * h:4 * h + 3])
            name = f"{block}.{'r' if soft else 's'}{h}"
            self.product(name, q, k, False, width**-0.5 / (1 if soft else pixels), -128 if soft else 0)
            scores.append(name)
        if soft:
            results = tuple(f"{block}.s{h}" for h in range(heads))
            self.steps.append(Softmax(name=f"{block}.softmax", sources=tuple(scores), results=results,
                                      scales=tuple(self.scales[s].step for s in scores)))
            for s, r in zip(scores, results, strict=True):
                self.shapes[r] = self.shapes[s]
        for h in range(heads):
            self.product(f"{block}.a{h}", f"{block}.s{h}", f"{block}.v{h}", True, 1.0, -128)
            x = self.weights(layers[4 * h + 3], f"{block}.a{h}", x)
        return self.weights(layers[-1], self.weights(layers[-2], x), x)

    def build(self) -> tuple[Step, ...]:
        net, config = self.net, self.config
        first, second, *_, head = net.layers(config)
        x = self.weights(second, self.weights(first, INPUT))
        for n, b in net.space.active(config):
            layers = net.block_layers(n, b, config)
            if config.kinds[n]:
                x = self.attention(b.name, layers, config.heads[n], x)
            else:
                y = self.weights(layers[1], self.weights(layers[0], x))
                x = self.weights(layers[2], y, x if b.residual else "")
        x = self.weights(head, x, pool=True)
        fc = net.fc
        self.dense("fc", fc.out_features, 1, x, np.ones(fc.out_features), fc.bias.detach().double().numpy())
        return tuple(self.steps)


def _trace(net, config, stats, x):
    """(name, value) of every tensor of a pass."""
    out: list[tuple[str, Tensor]] = []
    net(x, config, stats, tap=lambda name, value: out.append((name, value.detach())))
    return out


def _picker(net: HybridNet, config: HybridConfig):
    relu = {name for name, module, _, _ in net.layers(config) if module.relu} | {"head.pool"}

    def pick(name: str, values: np.ndarray) -> Scale:
        kind, head = _head(name)
        if head >= 0 and kind in "qkvr":
            return symmetric(values)
        if head >= 0 and kind == "s":
            return Scale(1.0 / WEIGHTS, 0) if config.norm == "softmax" else symmetric(values)
        return choose(values, name in relu)

    return pick


def hybrid_network(net: HybridNet, configs: dict[str, HybridConfig], calibration: Tensor, seed: int = 0,
                   range_images: int = 256) -> tuple[Network, dict[str, HybridSubNet]]:
    """The quantised SuperNet with its SubNets' parts, and how each SubNet goes through them.

    A SubNet without steps of the host is one part, called like itself: the network serves it as any other.
    """
    shared = share(net)
    twin = dequantised(net, shared)
    assert isinstance(twin, HybridNet)
    scale_in, table = input_table(net.space.channels)
    count, words = len(shared.layers), len(shared.words)
    products = (SuperLayer(id=count, name="product", cin=8, cout=8, kernel=1, product=True, offset=words),
                SuperLayer(id=count + 1, name="product.transpose", cin=8, cout=8, kernel=1, product=True,
                           transpose=True, offset=words))
    layers = (*shared.layers, *products)
    out, subnets = {}, list[SubNet]()
    for name, config in configs.items():
        stats = running_statistics(twin, config, calibration)
        with torch.no_grad():
            scales = measure(twin, config, stats, calibration[:range_images], seed, trace=_trace,
                             pick=_picker(net, config)) | {INPUT: scale_in}
        steps = _Builder(net, shared, products, stats, scales, config).build()
        macs, weights = net.space.cost(config)
        info = SubNetInfo(name=name, macs=macs, weight_bytes=weights, accuracy_int8=0.0, accuracy_float=0.0,
                          config=asdict(config))
        parts = parts_of(SubNet(info=info, layers=()), steps,
                         {INPUT: (net.space.channels, net.space.image, net.space.image)}, layers)
        out[name] = HybridSubNet(name=name, config=config, steps=steps, parts=parts)
        subnets += [p for p in parts if isinstance(p, SubNet)]
    network = Network(name=net.space.name, height=net.space.image, width=net.space.image, channels=net.space.channels,
                      classes=net.space.classes, input_table=table, input_zp=scale_in.zp, layers=layers,
                      weights=shared.words, subnets=tuple(subnets))
    return replace(network), out
