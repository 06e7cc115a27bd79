"""Off-chip memory of the golden device: one array behind a base address, with an allocator and injectable faults."""
from __future__ import annotations

from typing import Literal

import numpy as np

from nigiri.runtime.device import PAGE
from nigiri.runtime.errors import BadAddress, BadArgument, OutOfMemory
from nigiri.spec.errors import ErrorCode

__all__ = ["BusFault", "Memory"]


class BusFault(Exception):
    """What the memory answers the accelerator instead of data; the machine turns it into an error code."""

    def __init__(self, code: ErrorCode):
        super().__init__(code.name)
        self.code = code


class Memory:
    """`nbytes` bytes of memory at physical address `base`.

    Host accesses must lie inside one allocated buffer.  The accelerator may reach all of the memory, as on a board;
    outside of it, and where :meth:`inject` says so, it gets a bus error.

    Raises BadArgument when size or base are not positive multiples of 4096.
    """

    def __init__(self, nbytes: int = 64 << 20, base: int = 0x1000_0000):
        if nbytes < PAGE or nbytes % PAGE or base < 0 or base % PAGE:
            raise BadArgument(f"memory of {nbytes} bytes at {base:#x}: both must be multiples of {PAGE}, "
                              "the size positive")
        self.base = base
        self.data = np.zeros(nbytes, np.uint8)
        self._buffers: dict[int, int] = {}
        self._faults: list[tuple[int, int, bool]] = []

    # host side

    def alloc(self, nbytes: int) -> int:
        """Address of a zeroed buffer of whole pages, in the first gap that holds it; BadArgument, OutOfMemory."""
        if nbytes < 1:
            raise BadArgument(f"a buffer must have at least 1 byte, not {nbytes}")
        size, start = -(-nbytes // PAGE) * PAGE, 0
        for used in sorted(self._buffers):
            if used - start >= size:
                break
            start = used + self._buffers[used]
        if start + size > self.data.size:
            raise OutOfMemory(f"no gap of {size} bytes in the device's memory of {self.data.size} bytes: "
                              "free buffers or create the device with more memory")
        self._buffers[start] = size
        self.data[start:start + size] = 0
        return self.base + start

    def free(self, address: int) -> None:
        """Give a buffer back; BadAddress when there is none at `address`."""
        if self._buffers.pop(address - self.base, None) is None:
            raise BadAddress(f"there is no buffer at {address:#x}: free only what alloc returned, once")

    def host(self, address: int, nbytes: int) -> np.ndarray:
        """View of `nbytes` bytes inside one buffer; BadAddress otherwise."""
        start = address - self.base
        for first, size in self._buffers.items():
            if first <= start and start + nbytes <= first + size and nbytes >= 0:
                return self.data[start:start + nbytes]
        raise BadAddress(f"{nbytes} bytes at {address:#x} are not inside an allocated buffer: alloc it first")

    # accelerator side

    def inject(self, address: int, nbytes: int, kind: Literal["error", "silent"]) -> None:
        """From now on these bytes answer with a bus error, or never; for tests of the error paths."""
        self._faults.append((address, address + nbytes, kind == "silent"))

    def heal(self) -> None:
        """Forget all injected faults."""
        self._faults.clear()

    def dma(self, words: np.ndarray, *, write: bool = False) -> np.ndarray:
        """Row numbers, in :attr:`rows`, of 64-byte words at byte addresses `words`; BusFault for the first bad one."""
        error = ErrorCode.AXI_WRITE if write else ErrorCode.AXI_READ
        inside = (words >= self.base) & (words < self.base + self.data.size)
        bad = ~inside
        for first, last, _ in self._faults:
            bad |= (words < last) & (words + 64 > first)
        if bad.any():
            word = words[bad.argmax()]
            silent = any(s and word < last and word + 64 > first for first, last, s in self._faults)
            raise BusFault(ErrorCode.TIMEOUT if silent else error)
        return (words - self.base) // 64

    @property
    def rows(self) -> np.ndarray:
        """All of the memory as [word, 64]."""
        return self.data.reshape(-1, 64)
