"""Tensors in the activation buffer: where every pixel lies, reading and writing blocks of 8 channels."""
from __future__ import annotations

import numpy as np

__all__ = ["load", "plain", "polyphase", "store"]


def plain(rows: range, width: int) -> np.ndarray:
    """Pixel-word index of every pixel in `rows` of a plain tensor, [len(rows), width]."""
    return np.arange(rows.start * width, rows.stop * width, dtype=np.int64).reshape(len(rows), width)


def polyphase(rows: range, width: int, phase: int) -> np.ndarray:
    """Pixel-word index of every pixel in `rows` of a polyphase tensor whose planes lie `phase` pixel words apart."""
    y, x = np.arange(rows.start, rows.stop, dtype=np.int64)[:, None], np.arange(width, dtype=np.int64)[None]
    return (2 * (y % 2) + x % 2) * phase + y // 2 * ((width + 1) // 2) + x // 2


def _addresses(ab: np.ndarray, base: int, stride: int, blocks: range, index: np.ndarray) -> np.ndarray:
    block = base + np.arange(blocks.start, blocks.stop, dtype=np.int64) * stride
    return (index[..., None] + block) % len(ab)


def load(ab: np.ndarray, base: int, stride: int, blocks: range, index: np.ndarray) -> np.ndarray:
    """int8 [height, width, 8 * blocks] of the blocks in `blocks`; addresses wrap modulo the buffer."""
    h, w = index.shape
    # A pixel word is moved as one 64-bit number.
    return ab.view(np.int64).take(_addresses(ab, base, stride, blocks, index)).view(np.int8).reshape(h, w, -1)


def store(ab: np.ndarray, base: int, stride: int, blocks: range, index: np.ndarray, values: np.ndarray) -> None:
    """Write [height, width, 8 * blocks] values of -128..127, block after block."""
    h, w = index.shape
    v = values.astype(np.int8).reshape(h, w, len(blocks), 8)
    where = _addresses(ab, base, stride, blocks, index)
    for b in range(len(blocks)):
        ab[where[..., b]] = v[..., b, :]
