"""Runs a graph on many images at once, in the exact arithmetic of :mod:`nigiri.spec.arith`.

Sums of products of int8 values are exact in float32 below 2**24 and in float64 below 2**53, and a product of a 32-bit
sum and a 16-bit multiplier takes 48 bits; so matrix products and requantisation run in floating point and lose nothing.
"""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from nigiri.compiler.graph import INPUT, Layer, Network, SubNet
from nigiri.compiler.pack import unpack_weights

__all__ = ["Interpreter"]


def _wrap32(x: np.ndarray) -> np.ndarray:
    return (x + 2.0**31) % 2.0**32 - 2.0**31


def _shift_round(x: np.ndarray, scale: np.ndarray | float, zp: int) -> np.ndarray:
    """clamp(round half up(x * scale) + zp) in float64, in place of x; scale is a 16-bit integer over a power of two."""
    x *= scale
    x += 0.5
    np.floor(x, out=x)
    x += zp
    return np.clip(x, -128, 127, out=x)


class Interpreter:
    """One SubNet of a network, ready to run.

    Parameters
    ----------
    network, subnet: the graph.
    batch: images computed together; small ones stay in the processor's cache.
    threads: batches computed at the same time.
    """

    def __init__(self, network: Network, subnet: str, batch: int = 8, threads: int = 1):
        self.network, self.batch, self.threads = network, batch, threads
        self.subnet: SubNet = network.subnet(subnet)
        self._weights = [self._prepare(layer) for layer in self.subnet.layers]

    @classmethod
    def alone(cls, network: Network, subnet: SubNet) -> Interpreter:
        """For a SubNet, or a part of one, that the network need not list."""
        return cls(replace(network, subnets=(subnet,)), subnet.info.name)

    def _prepare(self, layer: Layer) -> np.ndarray:
        """float weights: depthwise [taps, channels], dense [taps, cin, cout]; row-major taps."""
        s = self.network.super_layer(layer)
        if s.product:
            return np.zeros((1, 0, 0), np.float32 if layer.cin * 128 * 128 < 2**24 else np.float64)
        if s.maximum:
            return np.zeros((layer.kernel ** 2, layer.cout), np.float32)
        words = self.network.weights[s.offset:s.offset + s.words]
        c = (s.kernel - layer.kernel) // 2
        crop = slice(c, c + layer.kernel)
        full = unpack_weights(s, words)
        if s.shared:
            full = np.tile(full, (-(-layer.cout // len(full)), 1, 1, 1))
        w = full[:layer.cout, :1 if s.depthwise else layer.cin, crop, crop]
        products = (1 if s.depthwise else layer.cin) * layer.kernel ** 2
        kind = np.float32 if products * 128 * 128 < 2**24 else np.float64
        taps = w.astype(kind).reshape(*w.shape[:2], -1)
        return np.ascontiguousarray(taps[:, 0].T if s.depthwise else taps.transpose(2, 1, 0))

    def _accumulate(self, layer: Layer, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sums of products (maxima for a maximum pool), [N, h, w, cout], of int8 codes [N, H, W, cin]."""
        s, r, k = self.network.super_layer(layer), layer.kernel // 2, layer.kernel
        height, width = self.network.out_side(layer)
        padded = np.full((len(x), layer.height + 2 * r, layer.width + 2 * r, layer.cin), layer.zp_in, weights.dtype)
        padded[:, r:r + layer.height, r:r + layer.width] = x
        acc = np.full((len(x), height, width, layer.cout), -128 if s.maximum else 0, weights.dtype)
        product = np.empty_like(acc)
        for t in range(k * k):
            y0, x0 = divmod(t, k)
            y0, x0 = y0 + layer.plane // 2, x0 + layer.plane % 2
            part = padded[:, y0:y0 + (height - 1) * s.stride + 1:s.stride, x0:x0 + (width - 1) * s.stride + 1:s.stride]
            if s.maximum:
                np.maximum(acc, part, out=acc)
            elif s.depthwise:
                acc += np.multiply(part, weights[t], out=product)
            else:
                acc += (part.reshape(-1, layer.cin) @ weights[t]).reshape(acc.shape)
        return acc

    def _product(self, layer: Layer, kind: np.dtype, tensors: dict[str, np.ndarray]) -> np.ndarray:
        """Sums [N, h, w, cout] of the products of two tensors."""
        a, b = (tensors[t].astype(kind) for t in (layer.source, layer.operand))
        b = b.reshape(len(b), -1, b.shape[-1])
        if not self.network.super_layer(layer).transpose:
            b = b.swapaxes(1, 2)
        return (a.reshape(len(a), -1, layer.cin) @ b).reshape(*a.shape[:3], layer.cout).astype(np.float64)

    def _layer(self, layer: Layer, weights: np.ndarray, tensors: dict[str, np.ndarray]) -> None:
        if layer.operand:
            total = self._product(layer, weights.dtype, tensors)
        else:
            total = self._accumulate(layer, weights, tensors[layer.source]).astype(np.float64)
        total += layer.bias
        products = layer.cin if layer.operand else weights.size / layer.cout
        if float(np.abs(layer.bias.astype(np.float64)).max()) + products * 2.0**14 >= 2.0**31:
            total = _wrap32(total)
        v = _shift_round(total, layer.mult.astype(np.float64) * np.exp2(-layer.shift.astype(np.float64)), layer.zp_out)
        if layer.table is not None:
            v = layer.table[v.astype(np.int8).view(np.uint8)].astype(np.float64)
        if layer.residual:
            r = layer.residual
            v = (v - r.zp_y) * r.mult_y + (tensors[r.source].astype(np.float64) - r.zp_res) * r.mult_r
            v = _shift_round(v, 2.0**-r.shift, r.zp_sum)
        if layer.scale:
            g = layer.scale
            factor = np.floor(((tensors[g.source].astype(np.float64) + 128) * g.mult + 128) / 256)
            v = _shift_round((v - g.zp_y) * factor, 2.0**-g.shift, g.zp_sum)
        if (layer.act_min, layer.act_max) != (-128, 127):
            v = np.clip(v, layer.act_min, layer.act_max)
        tensors[layer.name] = v.astype(np.int8)
        if layer.pool:
            p = layer.pool
            total = _wrap32(v.sum((1, 2), keepdims=True) + p.offset)
            tensors[f"{layer.name}.pool"] = _shift_round(total, p.mult * 2.0**-p.shift, p.zp).astype(np.int8)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """The input tensor, int8 [N, h, w, channels]: the codes, turned and folded if the network says so."""
        table, fold = self.network.input_table, self.network.fold
        if self.network.turned:
            images = images[:, ::-1, ::-1]
        codes = table[np.arange(len(table)), images]
        if fold is None:
            return codes
        channels, height, width = self.network.input_shape(self.subnet)
        (n, h, w, c), r = codes.shape, fold.kernel // 2
        padded = np.full((n, h + 2 * r, w + 2 * r, c), self.network.input_zp, np.int8)
        padded[:, r:r + h, r:r + w] = codes
        out = np.empty((n, height, width, channels), np.int8)
        for t in range(fold.kernel ** 2):
            y, x = divmod(t, fold.kernel)
            out[..., t * c:(t + 1) * c] = padded[:, y:y + h:fold.stride, x:x + w:fold.stride]
        return out

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        tensors = {INPUT: self.encode(images)}
        for layer, weights in zip(self.subnet.layers, self._weights, strict=True):
            self._layer(layer, weights, tensors)
        return tensors

    def part(self, tensors: dict[str, np.ndarray], first: int, end: int) -> dict[str, np.ndarray]:
        """`tensors`, int8 [N, height, width, channels] by name, with the results of layers `first` .. `end` - 1."""
        out = dict(tensors)
        for n in range(first, end):
            self._layer(self.subnet.layers[n], self._weights[n], out)
        return out

    def _batches(self, images: np.ndarray) -> list[np.ndarray]:
        return [images[n:n + self.batch] for n in range(0, len(images), self.batch)]

    def tensors(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Every tensor, int8 [N, height, width, channels], of images uint8 [N, height, width, channels]."""
        parts = [self._run(x) for x in self._batches(images)]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def logits(self, images: np.ndarray) -> np.ndarray:
        """int8 [N, classes]."""
        with ThreadPoolExecutor(self.threads) as pool:
            parts = pool.map(lambda x: self._run(x)[self.subnet.output], self._batches(images))
            return np.concatenate([p.reshape(-1, self.network.classes) for p in parts])

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Top-1 accuracy in percent; of equal logits the first wins."""
        return 100.0 * float((self.logits(images).argmax(1) == labels).mean())
