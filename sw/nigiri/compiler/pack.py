"""Weights and requantisation parameters as the 64-byte words of :mod:`nigiri.spec.layout`, and back."""
from __future__ import annotations

import numpy as np

from nigiri.compiler.graph import SuperLayer, blocks
from nigiri.spec.layout import ROWS, SLOT_OFFSETS, tap_order

__all__ = ["PARAM", "pack_params", "pack_weights", "unpack_params", "unpack_weights"]

PARAM = np.dtype([("bias", "<i4"), ("mult", "<u2"), ("shift", "u1"), ("zero", "u1")])
"""Requantisation of one channel; eight of them are a word."""


def _coordinates(layer: SuperLayer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns in the kernel that a word of a depthwise layer holds, [taps, 7] each, and which are real."""
    r = layer.kernel // 2
    y = np.array([[dy + r] * 7 for dy in ROWS[:layer.kernel]])
    x = np.array([[dx + r for dx in SLOT_OFFSETS[layer.step]]] * layer.kernel)
    return y, x, (x >= 0) & (x < layer.kernel)


def pack_weights(layer: SuperLayer, weights: np.ndarray) -> np.ndarray:
    """uint8 [layer.words, 64] of int8 weights [cout, 1 or cin, kernel, kernel]; padded channels are zero."""
    w = np.asarray(weights)
    if w.dtype != np.int8 or w.shape != (layer.cout, 1 if layer.depthwise else layer.cin, layer.kernel, layer.kernel):
        raise ValueError(f"layer {layer.name}: weights must be int8 of the layer's shape, not {w.dtype} "
                         f"{list(w.shape)}")
    ob, ib = layer.out_blocks, layer.in_blocks
    if layer.depthwise:
        full = np.zeros((ob * 8, layer.kernel, layer.kernel), np.int8)
        full[:layer.cout] = w[:, 0]
        y, x, real = _coordinates(layer)
        words = np.zeros((ob * 8, layer.kernel, 8), np.int8)
        words[:, :, :7] = np.where(real, full[:, y, np.where(real, x, 0)], 0)
        words = words.reshape(ob, 8, layer.kernel, 8).transpose(0, 2, 1, 3)
    else:
        full = np.zeros((ob * 8, ib * 8, layer.kernel, layer.kernel), np.int8)
        full[:layer.cout, :layer.cin] = w
        r = layer.kernel // 2
        taps = np.array(tap_order(layer.kernel)) + r
        words = full[:, :, taps[:, 0], taps[:, 1]].reshape(ob, 8, ib, 8, layer.taps).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(words).view(np.uint8).reshape(layer.words, 64)


def unpack_weights(layer: SuperLayer, words: np.ndarray) -> np.ndarray:
    """The inverse of :func:`pack_weights`; `words` are the layer's own, uint8 [layer.words, 64]."""
    ob, ib, k = layer.out_blocks, layer.in_blocks, layer.kernel
    codes = np.ascontiguousarray(words).view(np.int8)
    if layer.depthwise:
        y, x, real = _coordinates(layer)
        rows = codes.reshape(ob, k, 8, 8).transpose(0, 2, 1, 3).reshape(ob * 8, k, 8)[:, :, :7]
        dw = np.zeros((ob * 8, 1, k, k), np.int8)
        dw[:, 0, y[real], x[real]] = rows[:, real]
        return dw[:layer.cout]
    taps = np.array(tap_order(k)) + k // 2
    full = np.zeros((ob * 8, ib * 8, k, k), np.int8)
    rows = codes.reshape(ob, ib, k * k, 8, 8).transpose(0, 3, 1, 4, 2)
    full[:, :, taps[:, 0], taps[:, 1]] = rows.reshape(ob * 8, ib * 8, k * k)
    return full[:layer.cout, :layer.cin]


def pack_params(bias: np.ndarray, mult: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """uint8 [output blocks, 64]; channels of the padding are zero, so their result is the zero point."""
    limits = (("bias", bias, -2**31, 2**31 - 1), ("mult", mult, 0, 65535), ("shift", shift, 0, 63))
    for name, values, low, high in limits:
        if values.size and not (low <= int(values.min()) and int(values.max()) <= high):
            raise ValueError(f"{name} must be between {low} and {high}, not {int(values.min())}..{int(values.max())}")
    out = np.zeros(blocks(len(bias)) * 8, PARAM)
    out["bias"][:len(bias)], out["mult"][:len(mult)], out["shift"][:len(shift)] = bias, mult, shift
    return out.view(np.uint8).reshape(-1, 64)


def unpack_params(words: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bias int32, mult uint16, shift uint8) of the first `channels`."""
    p = np.ascontiguousarray(words).reshape(-1).view(PARAM)[:channels]
    return p["bias"].astype(np.int32), p["mult"].copy(), p["shift"].copy()
