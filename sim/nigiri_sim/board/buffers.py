"""Contiguous buffers of a simulated board: host memory apart from the DRAM, as caches keep it on a board.

What the host writes reaches the DRAM only through flush(), what the accelerator writes reaches the host only through
invalidate(); both work on lines of 64 bytes.  A flush writes back the lines that the host has changed, and no others.
"""
from __future__ import annotations

import numpy as np
from pynq.buffer import PynqBuffer

from nigiri.runtime.errors import DeviceError

__all__ = ["LINE", "FreedBuffer", "SimulatedBuffer", "Store"]

LINE = 64
GARBAGE = 0xA5
"""What a fresh buffer holds until it is written or invalidated."""


class FreedBuffer(DeviceError):
    """A buffer is synchronised after it was given back."""


class Store:
    """One allocation: `dram` is its part of the simulated memory, `host` what the processors see of it."""

    def __init__(self, address: int, dram: np.ndarray) -> None:
        self.address, self.dram = address, dram
        self.host = np.full(dram.size, GARBAGE, np.uint8)
        self._clean = self.host.copy()

    def _lines(self, start: int, size: int) -> slice:
        return slice(start // LINE * LINE, min(-(-(start + size) // LINE) * LINE, self.host.size))

    def flush(self, start: int, size: int) -> None:
        """Write the changed lines of [start, start + size) back."""
        part = self._lines(start, size)
        host, clean = self.host[part].reshape(-1, LINE), self._clean[part].reshape(-1, LINE)
        changed = (host != clean).any(axis=1)
        self.dram[part].reshape(-1, LINE)[changed] = host[changed]
        clean[changed] = host[changed]

    def invalidate(self, start: int, size: int) -> None:
        """Read the lines of [start, start + size) anew; changes that were not flushed are lost."""
        part = self._lines(start, size)
        self.host[part] = self._clean[part] = self.dram[part]


class SimulatedBuffer(PynqBuffer):
    """A PynqBuffer that gives its memory back to the simulated board.

    The base class frees with munmap, which is not there on a desktop.  Copies and results of arithmetic have no address
    here, where pynq leaves a meaningless one.
    """

    device = None      # NumPy 2 has a read-only attribute of that name

    def __array_finalize__(self, obj: object) -> None:
        super().__array_finalize__(obj)
        span = self._span = getattr(obj, "_span", None)
        if span and not span[0] <= self.virtual_address < span[1]:
            self.device_address = self.coherent = self.bo = self._span = None

    def freebuffer(self) -> None:
        """Give the memory back; views keep none."""
        owner = self.__dict__.pop("_owner", None)
        if owner is not None:
            self.freed = True
            owner(self.bo)
