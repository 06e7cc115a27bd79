"""The arithmetic of :mod:`nigiri.spec.arith` on whole feature maps, stage by stage.

Tensors are codes in float32 or float64, [images, height, width, channels].  Calibration needs the accumulators before
the constants exist, so that the stages are separate functions; :func:`run` chains them.
"""
from __future__ import annotations

import numpy as np

from nigiri.compiler.graph import INPUT, Fold, Layer, Network, Pool, Residual, Scale, SuperLayer
from nigiri.zoo.image import weight_codes

__all__ = ["accumulate", "add", "average", "encode", "finish", "requantise", "run", "scaled"]

EXACT = 1024
"""Products of two codes whose sum float32 holds exactly: 1024 * 127 * 128 < 2**24."""


def _shift_round(x: np.ndarray, scale: np.ndarray | float, zp: int) -> np.ndarray:
    return np.clip(np.floor(x * scale + 0.5) + zp, -128, 127)


def _windows(x: np.ndarray, kernel: int, stride: int, pad: float) -> list[np.ndarray]:
    """The input under each tap, row-major, [N, h, w, C] each."""
    r, (n, height, width, channels) = kernel // 2, x.shape
    padded = np.full((n, height + 2 * r, width + 2 * r, channels), pad, np.float32)
    padded[:, r:r + height, r:r + width] = x
    return [padded[:, y:y + height:stride, c:c + width:stride] for y in range(kernel) for c in range(kernel)]


def encode(images: np.ndarray, table: np.ndarray, zp: int, fold: Fold) -> np.ndarray:
    """The folded input tensor of images uint8 [N, height, width, channels]."""
    codes = table[np.arange(len(table)), images]
    return np.concatenate(_windows(codes, fold.kernel, fold.stride, zp), axis=3)


def accumulate(layer: SuperLayer, weights: np.ndarray, kernel: int, zp_in: int, x: np.ndarray) -> np.ndarray:
    """Exact sums of products (maximum layers: largest codes); float64 where float32 would not hold them.

    weights: as :func:`nigiri.zoo.image.weight_codes` gives them.
    """
    parts = _windows(x, kernel, layer.stride, zp_in)
    if layer.maximum:
        return np.maximum.reduce(parts)
    if layer.depthwise:
        total = parts[0] * weights[0, 0]
        product = np.empty_like(total)
        for part, w in zip(parts[1:], weights[1:, 0], strict=True):
            total += np.multiply(part, w, out=product)
        return total
    cin, cout = weights.shape[1:]
    kind = np.float32 if kernel * kernel * cin <= EXACT else np.float64
    total = np.zeros((parts[0].size // cin, cout), kind)
    for part, w in zip(parts, weights, strict=True):
        rows = part.reshape(-1, cin)
        for c in range(0, cin, EXACT):
            total += rows[:, c:c + EXACT] @ w[c:c + EXACT]
    return total.reshape(*parts[0].shape[:3], cout)


def requantise(acc: np.ndarray, layer: Layer) -> np.ndarray:
    """Codes of accumulators, through the layer's table if it has one."""
    scale = layer.mult.astype(np.float64) * np.exp2(-layer.shift.astype(np.float64))
    v = _shift_round(acc.astype(np.float64) + layer.bias, scale, layer.zp_out)
    return v if layer.table is None else layer.table[v.astype(np.int64) & 255].astype(np.float64)


def add(v: np.ndarray, r: Residual, other: np.ndarray) -> np.ndarray:
    """Sum with another tensor's codes."""
    total = (v - r.zp_y) * r.mult_y + (other.astype(np.float64) - r.zp_res) * r.mult_r
    return _shift_round(total, 2.0**-r.shift, r.zp_sum)


def scaled(v: np.ndarray, s: Scale, gate: np.ndarray) -> np.ndarray:
    """Product with a gate per channel."""
    factor = np.floor(((gate.astype(np.float64) + 128) * s.mult + 128) / 256)
    return _shift_round((v - s.zp_y) * factor, 2.0**-s.shift, s.zp_sum)


def average(v: np.ndarray, p: Pool) -> np.ndarray:
    """Global average pool."""
    return _shift_round(v.sum((1, 2), keepdims=True, dtype=np.float64) + p.offset, p.mult * 2.0**-p.shift, p.zp)


def finish(layer: Layer, acc: np.ndarray, tensors: dict[str, np.ndarray]) -> None:
    """Everything behind the accumulators; puts the layer's result, and its pooled result, into `tensors`."""
    v = requantise(acc, layer)
    if layer.residual:
        v = add(v, layer.residual, tensors[layer.residual.source])
    if layer.scale:
        v = scaled(v, layer.scale, tensors[layer.scale.source])
    v = np.clip(v, layer.act_min, layer.act_max)
    tensors[layer.name] = v.astype(np.int8)
    if layer.pool:
        tensors[f"{layer.name}.pool"] = average(v, layer.pool).astype(np.int8)


def run(network: Network, name: str, images: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor, int8 [N, height, width, channels], of images uint8 [N, height, width, channels]."""
    assert network.fold is not None
    tensors = {INPUT: encode(images, network.input_table, network.input_zp, network.fold).astype(np.int8)}
    for layer in network.subnet(name).layers:
        s = network.super_layer(layer)
        weights = weight_codes(network.weights, s, layer.cin, layer.cout, layer.kernel)
        finish(layer, accumulate(s, weights, layer.kernel, layer.zp_in, tensors[layer.source]), tensors)
    return tensors
