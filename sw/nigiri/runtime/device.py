"""The one interface between the driver and what it drives: golden model, simulated hardware or a board."""
from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from nigiri.spec.config import AcceleratorConfig

__all__ = ["PAGE", "Device"]

PAGE = 4096
"""Alignment of every buffer, bytes."""


@runtime_checkable
class Device(Protocol):
    """A machine with memory and a register file.

    Attributes
    ----------
    config: the configuration that the caller believes the device has; the driver checks it against register 2.
    name: kind of device, "golden", "rtl" or "pynq".
    """

    config: AcceleratorConfig
    name: str

    def alloc(self, nbytes: int) -> int:
        """Physical address, a multiple of 4096, of a fresh zeroed buffer; raises OutOfMemory."""
        ...

    def free(self, address: int) -> None:
        """Give a buffer of :meth:`alloc` back; raises BadAddress for any other address."""
        ...

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        """Host to memory; raises BadAddress outside the memory."""
        ...

    def read(self, address: int, nbytes: int) -> np.ndarray:
        """Memory to host, a uint8 copy; raises BadAddress outside the memory."""
        ...

    def read_register(self, address: int) -> int:
        """The 32-bit register at byte `address`; raises BadAddress beyond the map or unaligned."""
        ...

    def write_register(self, address: int, value: int) -> None:
        """Write a 32-bit register; raises BadAddress beyond the map or unaligned."""
        ...

    def wait(self, mask: int, timeout_s: float) -> None:
        """Return when (STATUS & mask) == 0; raises DeviceTimeout.  Simulators advance time here."""
        ...

    def close(self) -> None:
        """Give everything back; calling it again does nothing."""
        ...
