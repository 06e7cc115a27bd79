"""What the processors of a simulated board see: an address map, and the clock registers of the processing system."""
from __future__ import annotations

import struct
from typing import Protocol

from nigiri.runtime.errors import DeviceError
from nigiri.spec.boards import Board

__all__ = ["AddressMap", "BusError", "Registers", "Slave", "clock_registers"]


class BusError(DeviceError):
    """An access to an address at which nothing answers; on a board the process would be killed by SIGBUS, or hang."""


class Slave(Protocol):
    """Something with registers: 32-bit words at byte offsets."""

    def read(self, offset: int) -> int:
        ...

    def write(self, offset: int, value: int) -> None:
        ...


class AddressMap:
    """Slaves by address."""

    def __init__(self) -> None:
        self._regions: list[tuple[int, int, Slave]] = []

    def add(self, base: int, size: int, slave: Slave) -> None:
        """Put `slave` at [base, base + size); ValueError where another one is already."""
        for other, length, _ in self._regions:
            if base < other + length and other < base + size:
                raise ValueError(f"{size:#x} bytes at {base:#x} overlap {length:#x} bytes at {other:#x}")
        self._regions.append((base, size, slave))

    def remove(self, base: int) -> None:
        """Take away the slave at `base`, if there is one."""
        self._regions = [r for r in self._regions if r[0] != base]

    def _find(self, address: int, size: int) -> tuple[Slave, int]:
        for base, length, slave in self._regions:
            if base <= address and address + size <= base + length:
                return slave, address - base
        raise BusError(f"bus error: nothing answers {size} bytes at {address:#x}; is the right bitstream loaded?")

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes, a multiple of four; raises BusError."""
        slave, offset = self._find(address, size)
        return b"".join(struct.pack("<I", slave.read(offset + n)) for n in range(0, size, 4))

    def write(self, address: int, data: bytes) -> None:
        """Write whole words; raises BusError."""
        slave, offset = self._find(address, len(data))
        for n in range(0, len(data), 4):
            slave.write(offset + n, int.from_bytes(data[n:n + 4], "little"))


class Registers:
    """Plain words that hold what is written; 0 at first, or what `values` says."""

    def __init__(self, values: dict[int, int]) -> None:
        self.words = dict(values)

    def read(self, offset: int) -> int:
        return self.words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.words[offset] = value


def clock_registers(board: Board, iopll_mhz: float) -> list[tuple[int, int, Registers]]:
    """(base, size, registers) of the PLLs and clock dividers, as boot firmware leaves them with this IOPLL.

    Zynq-7000: the system-level control registers (UG585, appendix B.28), 50 MHz reference as PYNQ assumes it.
    Zynq UltraScale+: CRL_APB and CRF_APB (UG1087), 33.333 MHz reference.
    """
    if board.family == "zynq":
        fdiv = round(iopll_mhz / 50)
        divider = 10 << 8 | 1 << 20
        return [(0xF800_0000, 0x1000, Registers({
            0x100: 26 << 12, 0x104: 21 << 12, 0x108: fdiv << 12, 0x120: 0x200, 0x170: divider, 0x180: divider,
            0x190: divider, 0x1A0: divider}))]
    fbdiv = round(2 * iopll_mhz / 33.333)
    divider = 1 << 24 | 1 << 16 | 15 << 8
    return [(0xFF5E_0000, 0x1000, Registers({0x20: fbdiv << 8 | 1 << 16, 0x30: 72 << 8 | 1 << 16,
                                             0xC0: divider, 0xC4: divider, 0xC8: divider, 0xCC: divider})),
            (0xFD1A_0000, 0x1000, Registers({0x20: 72 << 8 | 1 << 16, 0x2C: 64 << 8 | 1 << 16,
                                             0x38: 90 << 8 | 1 << 16, 0x60: 1 << 8}))]
