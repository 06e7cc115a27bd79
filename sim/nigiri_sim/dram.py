"""The simulated off-chip memory, seen from the host: the array inside the model, with an allocator and faults."""
from __future__ import annotations

import ctypes
from typing import Literal

import numpy as np

from nigiri.model.memory import Memory

__all__ = ["SimulatedMemory"]

KINDS = {"error": 1, "silent": 2}
DIRECTIONS = {"read": 1, "write": 2, "both": 3}


class SimulatedMemory(Memory):
    """`nbytes` bytes at address `base` inside a simulation model, shared with it without copies.

    Buffers and host accesses are as in :class:`nigiri.model.memory.Memory`.
    """

    def attach(self, library: ctypes.CDLL, handle: int) -> None:
        """Use the array inside the model `handle` of `library`."""
        self._library, self._handle = library, handle
        nbytes = self.data.size
        self.data = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(library.nigiri_dram(handle)))

    def inject(self, address: int, nbytes: int, kind: Literal["error", "silent"],
               direction: Literal["read", "write", "both"] = "both") -> None:
        """From now on beats that touch these bytes answer SLVERR, or bursts that touch them never answer."""
        self._library.nigiri_fault(self._handle, KINDS[kind], address, nbytes, DIRECTIONS[direction])

    def heal(self) -> None:
        """Forget all injected faults; bursts that were left unanswered are answered after the memory's latency."""
        self._library.nigiri_clear_faults(self._handle)
