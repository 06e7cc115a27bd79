"""Convolutions with taps in the machine's order, exact in floating point because the sums are small enough.

Images are int8 [rows, columns, channels] that already have their padding: output pixel (y, x) of an `oh` x `ow` map
lies over image pixel (stride * y + radius, stride * x + radius).  Results are exact sums without the 32-bit wrap.
"""
from __future__ import annotations

import numpy as np

from nigiri.spec.layout import ROWS, SLOT_OFFSETS, tap_order

__all__ = ["dense", "depthwise", "maximum", "out_side"]

_EXACT = 1024
"""Products, at most 2**14 in size each, whose sum is exact in float32 in any order."""

_CHUNK = 1 << 24
"""Values converted to floating point at a time: bounds the working memory of absurdly large images."""


def out_side(side: int, stride: int) -> int:
    """Height or width of the output."""
    return (side + stride - 1) // stride


def _shifted(x: np.ndarray, y_first: int, x_first: int, oh: int, ow: int, stride: int) -> np.ndarray:
    """[oh, ow, channels]: the pixels that one tap sees."""
    return x[y_first:y_first + (oh - 1) * stride + 1:stride, x_first:x_first + (ow - 1) * stride + 1:stride]


def dense(x: np.ndarray, weights: np.ndarray, kernel: int, stride: int, oh: int, ow: int) -> np.ndarray:
    """int64 [oh, ow, outputs] of int8 `weights` [tap, channel, output].

    float32 is twice as fast as float64, so sums of up to 1024 products are taken in it and added in float64, which is
    exact for any number that fits a buffer.
    """
    rows, columns, channels = x.shape
    r, outputs = kernel // 2, weights.shape[2]
    total: np.ndarray | None = None
    part, products = np.zeros((oh * ow, outputs), np.float32), 0
    step = max(1, min(_EXACT, _CHUNK // (rows * columns)))
    for first in range(0, channels, step):
        xf = x[..., first:first + step].astype(np.float32)
        wf = weights[:, first:first + step].astype(np.float32)
        for t, (dy, dx) in enumerate(tap_order(kernel)):
            if products + xf.shape[2] > _EXACT:
                total = part.astype(np.float64) if total is None else np.add(total, part, out=total)
                products = 0
            product = _shifted(xf, r + dy, r + dx, oh, ow, stride).reshape(oh * ow, -1) @ wf[t]
            part = np.add(part, product, out=part) if products else product
            products += xf.shape[2]
    return (part if total is None else total + part).astype(np.int64).reshape(oh, ow, outputs)


def depthwise(x: np.ndarray, weights: np.ndarray, kernel: int, stride: int, oh: int, ow: int) -> np.ndarray:
    """int64 [oh, ow, channels] of int8 `weights` [row, slot, channel]; 8 slots or the first 7."""
    r = kernel // 2
    wide, w = x.astype(np.int32), weights.astype(np.int32)
    acc = np.zeros((oh, ow, x.shape[2]), np.int32)
    product = np.empty_like(acc)
    for row, dy in enumerate(ROWS[:kernel]):
        for slot, dx in enumerate(SLOT_OFFSETS[stride]):
            if abs(dx) <= r:
                acc += np.multiply(_shifted(wide, r + dy, r + dx, oh, ow, stride), w[row, slot], out=product)
    return acc.astype(np.int64)


def maximum(x: np.ndarray, kernel: int, stride: int, oh: int, ow: int) -> np.ndarray:
    """int64 [oh, ow, channels]: the largest value under the kernel, padding included."""
    r = kernel // 2
    out = np.full((oh, ow, x.shape[2]), -128, np.int8)
    for dy, dx in tap_order(kernel):
        np.maximum(out, _shifted(x, r + dy, r + dx, oh, ow, stride), out=out)
    return out.astype(np.int64)
