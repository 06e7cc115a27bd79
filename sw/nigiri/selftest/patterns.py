"""Patterns that show stuck, swapped and missing bits, lanes and addresses."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["WORDS", "patterns"]

WORDS = (0x00000000, 0xFFFFFFFF, 0x55555555, 0xAAAAAAAA, 0x00FF00FF, 0xFF00FF00, 0x01234567)
"""32-bit values for registers, besides the single bits."""


def patterns(nbytes: int, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """(name, uint8 [nbytes]): constants, alternating bits, a walking one, the address itself, and random bytes."""
    for name, byte in (("zeros", 0x00), ("ones", 0xFF), ("0x55", 0x55), ("0xaa", 0xAA)):
        yield name, np.full(nbytes, byte, np.uint8)
    at = np.arange(nbytes, dtype=np.uint32)
    yield "walking one", (1 << (at + at // 8) % 8).astype(np.uint8)
    yield "address", (at // 4 >> 8 * (at % 4)).astype(np.uint8)
    yield "random", np.random.default_rng(seed).integers(0, 256, nbytes, dtype=np.uint8)
