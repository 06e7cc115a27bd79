"""Tensors in the activation buffer: where every pixel lies, reading and writing blocks of 8 channels."""
from __future__ import annotations

import numpy as np

__all__ = ["load", "plain", "polyphase", "store"]


def plain(height: int, width: int) -> np.ndarray:
    """Pixel-word index of every pixel of a plain tensor, [height, width]."""
    return np.arange(height * width, dtype=np.int64).reshape(height, width)


def polyphase(height: int, width: int, phase: int) -> np.ndarray:
    """Pixel-word index of every pixel of a polyphase tensor whose planes lie `phase` pixel words apart."""
    y, x = np.arange(height, dtype=np.int64)[:, None], np.arange(width, dtype=np.int64)[None]
    return (2 * (y % 2) + x % 2) * phase + y // 2 * ((width + 1) // 2) + x // 2


def _addresses(ab: np.ndarray, base: int, stride: int, blocks: range, index: np.ndarray) -> np.ndarray:
    block = base + np.arange(blocks.start, blocks.stop, dtype=np.int64) * stride
    return (index[..., None] + block) % len(ab)


def load(ab: np.ndarray, base: int, stride: int, blocks: range, index: np.ndarray) -> np.ndarray:
    """int8 [height, width, 8 * blocks] of the blocks in `blocks`; addresses wrap modulo the buffer."""
    h, w = index.shape
    return ab[_addresses(ab, base, stride, blocks, index)].reshape(h, w, -1)


def store(ab: np.ndarray, base: int, stride: int, blocks: range, index: np.ndarray, values: np.ndarray) -> None:
    """Write [height, width, 8 * blocks] values of -128..127, block after block."""
    h, w = index.shape
    v = values.astype(np.int8).reshape(h, w, len(blocks), 8)
    where = _addresses(ab, base, stride, blocks, index)
    for b in range(len(blocks)):
        ab[where[..., b]] = v[..., b, :]
