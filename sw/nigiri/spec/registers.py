"""The AXI4-Lite register map: 32-bit registers; 64-bit counters as low and high half."""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COUNTERS", "PRODUCT_ID", "REGISTERS", "SPAN", "Control", "Interrupt", "Register", "Status", "address"]

PRODUCT_ID = 0x4952474E
"""Register 0: the bytes "NGRI"."""
SPAN = 4096
"""Bytes of address space."""


@dataclass(frozen=True)
class Register:
    name: str
    address: int
    access: str
    doc: str


class Control:
    """Bits of CONTROL (write one to act; reads as zero)."""

    START = 1
    RESET = 2
    FILL = 4


class Status:
    """Bits of STATUS."""

    BUSY = 1
    DONE = 2
    ERROR = 4
    FILL_BUSY = 8
    FILL_DONE = 16
    FILL_ERROR = 32
    RESETTING = 64


class Interrupt:
    """Bits of IRQ_ENABLE and IRQ_STATUS (write one to clear)."""

    DONE = 1
    ERROR = 2
    FILL = 4


REGISTERS: tuple[Register, ...] = (
    Register("PRODUCT_ID", 0x000, "ro", 'the bytes "NGRI"'),
    Register("VERSION", 0x004, "ro", "interface version: major << 16 | minor << 8 | patch"),
    Register("CONFIG_DIGEST", 0x008, "ro", "digest of the configuration the hardware was built for"),
    Register("CONTROL", 0x00C, "wo", "bit 0 starts the program, bit 1 resets the core, bit 2 starts a fill"),
    Register("STATUS", 0x010, "ro", "bit 0 busy, 1 done, 2 error, 3 fill busy, 4 fill done, 5 fill error, 6 resetting"),
    Register("IRQ_ENABLE", 0x014, "rw", "bit 0 done, 1 error, 2 fill done or failed"),
    Register("IRQ_STATUS", 0x018, "w1c", "the same bits, pending"),
    Register("ERROR_CODE", 0x01C, "ro", "why the program stopped (ErrorCode)"),
    Register("ERROR_INDEX", 0x020, "ro", "index of the descriptor at which it stopped"),
    Register("FILL_ERROR", 0x024, "ro", "why the fill stopped (ErrorCode)"),
    Register("FILL_INDEX", 0x028, "ro", "index of the fill entry at which it stopped"),
    Register("WINDOW_BASE_LO", 0x030, "rw", "DMA window: byte address, a multiple of 4096, low half"),
    Register("WINDOW_BASE_HI", 0x034, "rw", "DMA window: high half of the byte address"),
    Register("WINDOW_SIZE", 0x038, "rw", "DMA window: size in 64-byte words; every transfer must lie inside"),
    Register("PROGRAM_OFFSET", 0x040, "rw", "first descriptor, in 64-byte words from the window base"),
    Register("PROGRAM_LENGTH", 0x044, "rw", "number of descriptors"),
    Register("FILL_OFFSET", 0x048, "rw", "first fill entry, in 64-byte words from the window base"),
    Register("FILL_COUNT", 0x04C, "rw", "number of fill entries"),
    Register("TIMEOUT", 0x050, "rw", "cycles without progress after which a program or fill stops; 0 waits for ever"),
    Register("CLOCK_KHZ", 0x054, "ro", "clock that the hardware was built for, in kHz"),
    Register("TICKS", 0x058, "ro", "clock cycles since power-on, modulo 2**32; stands still where nothing is clocked"),
)

COUNTERS: tuple[tuple[str, str], ...] = (
    ("CYCLES", "cycles from start to done"),
    ("BUSY", "cycles in which the array took a step"),
    ("STALL_WEIGHTS", "cycles the array waited for weights or tables"),
    ("STALL_ACTIVATIONS", "cycles spent loading and storing activations"),
    ("STALL_REQUANT", "cycles the array waited for requantisation to drain the previous tile"),
    ("STALL_WRITEBACK", "cycles waiting for a layer's last results before the next layer may read them"),
    ("STALL_DESCRIPTOR", "cycles waiting for a descriptor, and setting a layer up"),
    ("BYTES_WEIGHTS_DRAM", "weight bytes read from DRAM"),
    ("BYTES_WEIGHTS_PB", "weight bytes taken from the persistent buffer"),
    ("BYTES_TABLES", "bytes of requantisation parameters and activation tables read"),
    ("BYTES_ACT_IN", "activation bytes read"),
    ("BYTES_ACT_OUT", "activation bytes written"),
    ("BYTES_DESCRIPTORS", "descriptor bytes read"),
    ("BYTES_FILL", "bytes read by fills since the last fill started"),
)
"""64-bit counters in address order from COUNTER_BASE; cleared when a program starts (BYTES_FILL: a fill)."""

COUNTER_BASE = 0x080


def address(name: str) -> int:
    """Byte address of a register, or of the low half of a counter."""
    for r in REGISTERS:
        if r.name == name:
            return r.address
    for n, (counter, _) in enumerate(COUNTERS):
        if counter == name:
            return COUNTER_BASE + 8 * n
    raise KeyError(f"no register called {name!r}")
