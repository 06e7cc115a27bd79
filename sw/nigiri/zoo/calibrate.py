"""From steps to layers: constants that keep every tensor of a randomly weighted SubNet alive.

Batch norm is what keeps a deep network's activations in range, so it is imitated: the accumulators of each channel
over some synthetic images are shifted and scaled to the layer's gamma and beta, and the code's scale is taken from the
values that result.  Each layer sees the codes that the layers before it produce, in the accelerator's own arithmetic.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nigiri.compiler.graph import INPUT, Fold, Layer, Pool, Residual, Scale, SuperLayer
from nigiri.quant.fixed import common_shift, fold, multiplier
from nigiri.zoo.image import affine, weight_codes
from nigiri.zoo.plan import Act, Step
from nigiri.zoo.propagate import accumulate, average, encode, finish, requantise

__all__ = ["FOLD", "INPUT_ZP", "calibrate", "input_table"]

FOLD = Fold(kernel=3, stride=2)
INPUT_ZP = 0
PIXEL_MEAN = (124, 116, 104)
"""Mean red, green and blue of photographs: a padded pixel is an average one."""
TAIL = 0.0005
"""Share of values that may saturate, at each end."""
FEW = 8
"""Fewer values of a channel than this say nothing about its spread: the layer's own is used."""
MARGIN = {True: 1.0, False: 0.02}
"""Added to the range, as a share of it, for maps of one pixel and for others: the first show few values."""
MOST_VALUES = 200_000


def input_table() -> np.ndarray:
    """int8 [3, 256]: pixel values around their mean."""
    return np.clip(np.arange(256) - np.array(PIXEL_MEAN)[:, None], -128, 127).astype(np.int8)


@dataclass(frozen=True)
class _Code:
    """value = (code - zp) * scale"""

    scale: float
    zp: int

    def real(self, codes: np.ndarray) -> np.ndarray:
        return (codes.astype(np.float64) - self.zp) * self.scale


GATE = _Code(1 / 255, -128)


def _code(values: np.ndarray, positive: bool = False) -> _Code:
    """The code whose range holds all but the tails of `values` [N, h, w, C], and zero; `positive` cuts it there."""
    margin = MARGIN[values.shape[1:3] == (1, 1)]
    flat = values.ravel()
    flat = flat[::max(1, flat.size // MOST_VALUES)]
    low, high = np.quantile(flat, (TAIL, 1 - TAIL))
    margin *= high - low
    low, high = (0.0, high + margin) if positive else (min(low - margin, 0.0), max(high + margin, 0.0))
    scale = max(high - low, 1e-6) / 255
    return _Code(scale, -128 if positive else int(np.clip(round(-128 - low / scale), -128, 127)))


def _hsigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x + 3, 0, 6) / 6


def _table(before: _Code, after: _Code, gate: bool) -> np.ndarray:
    """int8 [256] of h-sigmoid (`gate`) or h-swish, indexed by the code as a byte."""
    x = before.real(np.arange(256).astype(np.uint8).view(np.int8))
    y = _hsigmoid(x) * (1 if gate else x)
    return np.clip(np.rint(y / after.scale) + after.zp, -128, 127).astype(np.int8)


class _Calibrator:
    def __init__(self, family: str, seed: int, layers: tuple[SuperLayer, ...], image: np.ndarray, pixels: np.ndarray):
        self.family, self.seed, self.image = family, seed, image
        self.layers = {s.name: s for s in layers}
        self.tensors = {INPUT: encode(pixels, input_table(), INPUT_ZP, FOLD)}
        self.codes = {INPUT: _Code(1 / 64, INPUT_ZP)}

    def _norm(self, s: SuperLayer, acc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(slope, offset) per channel: slope * acc + offset has the spread gamma and the mean beta."""
        gamma, beta = (a[:acc.shape[3]] for a in affine(self.family, s, self.seed))
        flat = acc.reshape(-1, acc.shape[3]).astype(np.float64)
        n, mean, var = len(flat), flat.mean(0), flat.var(0)
        if n < FEW or acc.shape[1:3] == (1, 1):
            mean, var = np.full_like(mean, flat.mean()), np.full_like(var, flat.var())
        var = (n * var + FEW * var.mean()) / (n + FEW)          # a quiet channel's noise is not blown up
        slope = gamma / np.sqrt(np.maximum(var, 1.0))
        return slope, beta - slope * mean

    def _convolution(self, step: Step, s: SuperLayer, acc: np.ndarray) -> tuple[dict, _Code]:
        """Constants of a layer with batch norm, and the code of its result before any residual."""
        slope, offset = self._norm(s, acc)
        real = slope * acc[:, ::max(1, acc.shape[1] // 32)] + offset        # some rows are enough
        before = _code(real, positive=step.act is Act.RELU)
        after, table = before, None
        if step.act is Act.HSWISH:
            after = _code(real * _hsigmoid(real))
        if step.act is Act.HSIGMOID:
            after = GATE
        if after is not before:
            table = _table(before, after, step.act is Act.HSIGMOID)
        bias, mult, shift = fold(slope=slope, offset=offset, s_in=1.0, s_w=np.ones_like(slope), s_out=before.scale,
                                 zp_in=0, sums=np.zeros_like(slope))
        return {"bias": bias, "mult": mult, "shift": shift, "zp_out": before.zp, "table": table}, after

    def _plain(self, step: Step, s: SuperLayer) -> tuple[dict, _Code]:
        """Constants of a pool, or of the identity: sums of codes become codes of the same scale."""
        n, average_of_4 = step.cout, s.depthwise and s.kernel > 1
        return {"bias": np.zeros(n, np.int32), "mult": np.ones(n, np.uint16),
                "shift": np.full(n, 2 if average_of_4 else 0, np.uint8), "zp_out": 0}, self.codes[step.source]

    def step(self, step: Step) -> Layer:
        s = self.layers[step.weights]
        source = self.codes[step.source]
        weights = weight_codes(self.image, s, step.cin, step.cout, step.kernel)
        acc = accumulate(s, weights, step.kernel, source.zp, self.tensors[step.source])
        constants, code = self._plain(step, s) if step.act is Act.NONE else self._convolution(step, s, acc)
        layer = Layer(name=step.name, weights=s.id, cin=step.cin, cout=step.cout, kernel=step.kernel,
                      height=step.side, width=step.side, source=step.source, zp_in=source.zp, **constants)
        if step.residual:
            other = self.codes[step.residual]
            total = code.real(requantise(acc, layer)) + other.real(self.tensors[step.residual])
            result = _code(np.maximum(total, 0) if step.relu_sum else total,
                           positive=step.relu_sum or (code.zp == other.zp == -128))
            (mult_y, mult_r), shift = common_shift([code.scale / result.scale, other.scale / result.scale])
            layer = replace(layer, residual=Residual(source=step.residual, mult_y=mult_y, mult_r=mult_r, shift=shift,
                                                     zp_y=code.zp, zp_res=other.zp, zp_sum=result.zp))
            code = result
        if step.scale:
            total = code.real(requantise(acc, layer)) * GATE.real(self.tensors[step.scale])
            result = _code(total, positive=code.zp == -128)
            mult, shift = multiplier(code.scale / result.scale * 256 / 255)
            layer = replace(layer, scale=Scale(source=step.scale, mult=mult, shift=shift, zp_y=code.zp,
                                               zp_sum=result.zp))
            code = result
        finish(layer, acc, self.tensors)
        self.codes[step.name] = code
        return self._pooled(layer, code) if step.pool else layer

    def _pooled(self, layer: Layer, code: _Code) -> Layer:
        """The layer with a global average pool behind it."""
        v = self.tensors[layer.name]
        pixels, name = v.shape[1] * v.shape[2], f"{layer.name}.pool"
        result = _code(code.real(v).mean((1, 2), keepdims=True), positive=code.zp == -128)
        mult, shift = multiplier(code.scale / result.scale / pixels)
        pool = Pool(mult=mult, shift=shift, zp=result.zp, offset=-pixels * code.zp)
        self.tensors[name], self.codes[name] = average(v, pool).astype(np.int8), result
        return replace(layer, pool=pool)


def calibrate(family: str, seed: int, layers: tuple[SuperLayer, ...], image: np.ndarray, steps: list[Step],
              pixels: np.ndarray) -> tuple[Layer, ...]:
    """The layers of one SubNet; pixels: uint8 [N, side, side, 3] of the side that the steps are for."""
    c = _Calibrator(family, seed, layers, image, pixels)
    last_use = {name: n for n, s in enumerate(steps) for name in (s.source, s.residual, s.scale)}
    done = []
    for n, s in enumerate(steps):
        done.append(c.step(s))
        for name in [t for t in c.tensors if last_use.get(t, -1) <= n]:
            del c.tensors[name]
    return tuple(done)
