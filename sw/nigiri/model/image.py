"""Assembling a DMA window image: parameters, weights, tables and programs as they lie in memory."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nigiri.runtime.errors import BadArgument
from nigiri.spec import descriptor

__all__ = ["ImageBuilder", "pack_dense", "pack_depthwise", "pack_params"]

WORD = 64


class ImageBuilder:
    """Places pieces one after the other, each at a multiple of 64 bytes; offsets are in words."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.words = 0

    def put(self, data: bytes | np.ndarray) -> int:
        """Append `data`, zero-padded to whole words; returns its offset."""
        raw = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
        raw += bytes(-len(raw) % WORD)
        offset = self.words
        self._pieces.append(raw)
        self.words += len(raw) // WORD
        return offset

    def reserve(self, words: int) -> int:
        """Append `words` zero words; returns their offset."""
        return self.put(bytes(words * WORD))

    def program(self, descriptors: Sequence[dict[str, int]]) -> int:
        """Append a program of unpacked descriptors; returns its offset."""
        return self.put(b"".join(descriptor.pack(**d) for d in descriptors))

    def image(self) -> np.ndarray:
        """Everything so far, uint8."""
        return np.frombuffer(b"".join(self._pieces), np.uint8).copy()


def pack_params(bias: Iterable[int], mult: Iterable[int], shift: Iterable[int]) -> bytes:
    """Requantisation parameters of 8 * n channels as n words; BadArgument for values out of range."""
    rows = list(zip(bias, mult, shift, strict=True))
    if len(rows) % 8:
        raise BadArgument(f"the number of channels must be a multiple of 8, not {len(rows)}")
    out = np.zeros(len(rows), np.dtype([("bias", "<i4"), ("mult", "<u2"), ("shift", "u1"), ("zero", "u1")]))
    for n, (b, m, s) in enumerate(rows):
        if not (-2**31 <= b < 2**31 and 0 <= m < 2**16 and 0 <= s < 64):
            raise BadArgument(f"channel {n}: bias {b}, multiplier {m} and shift {s} must fit 32 signed, 16 and 6 bits")
        out[n] = (b, m, s, 0)
    return out.tobytes()


def pack_dense(weights: np.ndarray) -> bytes:
    """int8 [out_block, in_block, tap, output, input] as weight words."""
    return np.ascontiguousarray(weights, np.int8).tobytes()


def pack_depthwise(weights: np.ndarray) -> bytes:
    """int8 [block, row, channel, slot of 7] as weight words; the eighth slot is zero."""
    w = np.asarray(weights, np.int8)
    return np.concatenate([w, np.zeros((*w.shape[:-1], 1), np.int8)], axis=-1).tobytes()
