"""The accelerator as an IP core: its name for Vivado and PYNQ, and its registers as both describe them."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.spec.config import VERSION
from nigiri.spec.registers import COUNTERS, REGISTERS, Control, Interrupt, Status, address

__all__ = ["INSTANCE", "INTERRUPT", "SLAVE", "VLNV", "IpField", "IpRegister", "ip_registers"]

VLNV = f"nigiri:user:nigiri:{VERSION[0]}.{VERSION[1]}"
"""Vendor, library, name, version; PYNQ binds drivers by it."""
INSTANCE, SLAVE, INTERRUPT = "nigiri_0", "s_axi", "interrupt"
"""Names of the instance in a block design, of its register interface and of its interrupt pin."""

_ACCESS = {"ro": "read-only", "wo": "write-only", "rw": "read-write", "w1c": "read-write"}
_BITS: dict[str, type] = {"CONTROL": Control, "STATUS": Status, "IRQ_ENABLE": Interrupt, "IRQ_STATUS": Interrupt}


@dataclass(frozen=True)
class IpField:
    name: str
    lsb: int
    width: int = 1


@dataclass(frozen=True)
class IpRegister:
    """A register as IP-XACT has it: byte offset, 32 or 64 bits, "read-only", "write-only" or "read-write"."""

    name: str
    offset: int
    size: int
    access: str
    doc: str
    fields: tuple[IpField, ...] = ()


def _fields(name: str) -> tuple[IpField, ...]:
    bits = vars(_BITS[name]) if name in _BITS else {}
    return tuple(IpField(bit, value.bit_length() - 1) for bit, value in bits.items() if bit.isupper())


def ip_registers() -> tuple[IpRegister, ...]:
    """All registers in address order, the counters as 64-bit ones."""
    plain = [IpRegister(r.name, r.address, 32, _ACCESS[r.access], r.doc, _fields(r.name)) for r in REGISTERS]
    wide = [IpRegister(name, address(name), 64, "read-only", doc) for name, doc in COUNTERS]
    return tuple(sorted(plain + wide, key=lambda r: r.offset))
