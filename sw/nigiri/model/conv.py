"""Convolutions with taps in the machine's order, exact in floating point where the sums are small enough.

Images are [n, height, width, channels]; stride 1 or 2; pixels outside the image read as `zp`.
"""
from __future__ import annotations

import numpy as np

from nigiri.spec.layout import ROWS, SLOT_OFFSETS, tap_order

__all__ = ["dense", "depthwise", "maximum", "out_side", "pad", "rows"]

_CHUNK = 1 << 24
"""Values converted to floating point at a time: bounds the working memory of absurdly large images."""


def out_side(side: int, stride: int) -> int:
    """Height or width of the output."""
    return (side + stride - 1) // stride


def pad(x: np.ndarray, radius: int, zp: int) -> np.ndarray:
    """`x` with `radius` pixels of `zp` on each side."""
    if radius == 0:
        return x
    n, h, w, c = x.shape
    out = np.full((n, h + 2 * radius, w + 2 * radius, c), zp, x.dtype)
    out[:, radius:radius + h, radius:radius + w] = x
    return out


def _shifted(padded: np.ndarray, radius: int, dy: int, dx: int, h: int, w: int, stride: int) -> np.ndarray:
    y, x = radius + dy, radius + dx
    return padded[:, y:y + (h - 1) * stride + 1:stride, x:x + (w - 1) * stride + 1:stride]


def dense(x: np.ndarray, weights: np.ndarray, kernel: int, stride: int, zp: int) -> np.ndarray:
    """int64 [n, oh, ow, outputs] of int8 `x` and int8 `weights` [tap, channel, output], without the 32-bit wrap.

    Products are at most 2**14 in size: up to 1024 of them add exactly in float32, any number that fits a
    buffer in float64.
    """
    n, h, w, c = x.shape
    oh, ow, outputs = out_side(h, stride), out_side(w, stride), weights.shape[2]
    dtype = np.float32 if c * kernel * kernel <= 1024 else np.float64
    acc: np.ndarray = np.zeros((n * oh * ow, outputs), dtype)
    step = max(1, _CHUNK // max(1, n * h * w))
    for first in range(0, c, step):
        part = pad(x[..., first:first + step].astype(dtype), kernel // 2, zp)
        wf = weights[:, first:first + step].astype(dtype)
        for t, (dy, dx) in enumerate(tap_order(kernel)):
            acc += _shifted(part, kernel // 2, dy, dx, oh, ow, stride).reshape(len(acc), -1) @ wf[t]
    return acc.astype(np.int64).reshape(n, oh, ow, outputs)


def depthwise(x: np.ndarray, weights: np.ndarray, kernel: int, stride: int, zp: int) -> np.ndarray:
    """int64 [n, oh, ow, channels] of int8 `x` and int8 `weights` [row, slot, channel]; 8 slots or the first 7."""
    n, h, w, c = x.shape
    oh, ow, r = out_side(h, stride), out_side(w, stride), kernel // 2
    padded = pad(x.astype(np.int32), r, zp)
    acc = np.zeros((n, oh, ow, c), np.int32)
    for row, dy in enumerate(ROWS[:kernel]):
        for slot, dx in enumerate(SLOT_OFFSETS[stride]):
            if abs(dx) <= r:
                acc += _shifted(padded, r, dy, dx, oh, ow, stride) * weights[row, slot].astype(np.int32)
    return acc.astype(np.int64)


def maximum(x: np.ndarray, kernel: int, stride: int, zp: int) -> np.ndarray:
    """int64 [n, oh, ow, channels]: the largest value of int8 `x` under the kernel, padding included."""
    n, h, w, c = x.shape
    oh, ow, r = out_side(h, stride), out_side(w, stride), kernel // 2
    padded = pad(x, r, zp)
    out = np.full((n, oh, ow, c), -128, np.int8)
    for dy, dx in tap_order(kernel):
        np.maximum(out, _shifted(padded, r, dy, dx, oh, ow, stride), out=out)
    return out.astype(np.int64)


def rows(x: np.ndarray, y_first: int, out_h: int, radius: int, stride: int, zp: int) -> tuple[np.ndarray, int]:
    """(image, first): `x` without the rows that a band of `out_h` output rows does not see, and with rows of `zp` below
    if the band goes on there; the band's first output row is row `first` of the image's map.

    Rows above the image are the convolution's own padding, so nothing is cut at the top closer than that.
    """
    height = x.shape[1]
    top = max(0, y_first * stride - radius - (radius & 1) * (stride - 1))
    top -= top % stride
    bottom = stride * (y_first + out_h)
    part = x[:, top:max(top, min(height, bottom + radius))]
    missing = stride * (y_first + out_h) - (top + part.shape[1])
    if missing > 0:
        part = np.concatenate([part, np.full((len(x), missing, *x.shape[2:]), zp, x.dtype)], axis=1)
    return part, y_first - top // stride
