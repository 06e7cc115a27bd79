"""The accelerator's view of memory: 64-byte words of the DMA window, checked before every transfer."""
from __future__ import annotations

import numpy as np

from nigiri.model.memory import BusFault, Memory
from nigiri.spec.errors import ErrorCode

__all__ = ["Window"]


class Window:
    """`size` words of `memory` from byte address `base`; all offsets are words from there.

    Every method raises BusFault with WINDOW before anything outside is touched, and with what the memory answers.
    """

    def __init__(self, memory: Memory, base: int, size: int):
        self.memory, self.base, self.size = memory, base, size

    def gather(self, offsets: np.ndarray) -> np.ndarray:
        """uint8 [n, 64]: the words at `offsets`, which are read in order up to the first fault."""
        outside = (offsets < 0) | (offsets >= self.size)
        if outside.any():
            reached = offsets[:outside.argmax()]
            self.memory.dma(self.base + reached * 64)
            raise BusFault(ErrorCode.WINDOW)
        return self.memory.rows[self.memory.dma(self.base + offsets * 64)]

    def read(self, offset: int, words: int) -> np.ndarray:
        """uint8 [words, 64] from `offset` on."""
        if offset + words > self.size:
            raise BusFault(ErrorCode.WINDOW)
        return self.gather(np.arange(offset, offset + words, dtype=np.int64))

    def write(self, offset: int, data: np.ndarray) -> None:
        """Write uint8 [n, 64] from `offset` on."""
        if offset + len(data) > self.size:
            raise BusFault(ErrorCode.WINDOW)
        where = self.base + np.arange(offset, offset + len(data), dtype=np.int64) * 64
        self.memory.rows[self.memory.dma(where, write=True)] = data
