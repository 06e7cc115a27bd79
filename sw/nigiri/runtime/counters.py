"""The performance counters of one program run."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from nigiri.spec.registers import address

__all__ = ["Counters", "read_counter", "read_counters"]


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Counters as :data:`nigiri.spec.registers.COUNTERS` documents them: cycles and bytes."""

    cycles: int = 0
    busy: int = 0
    stall_weights: int = 0
    stall_activations: int = 0
    stall_requant: int = 0
    stall_writeback: int = 0
    stall_descriptor: int = 0
    bytes_weights_dram: int = 0
    bytes_weights_pb: int = 0
    bytes_tables: int = 0
    bytes_act_in: int = 0
    bytes_act_out: int = 0
    bytes_descriptors: int = 0
    bytes_fill: int = 0


def read_counter(read_register: Callable[[int], int], name: str) -> int:
    """One 64-bit counter; the high half is read again, so that a carry between the two reads does no harm."""
    low = address(name)
    high = read_register(low + 4)
    while True:
        value = read_register(low)
        again = read_register(low + 4)
        if again == high:
            return high << 32 | value
        high = again


def read_counters(read_register: Callable[[int], int]) -> Counters:
    """All counters of a device."""
    return Counters(**{f.name: read_counter(read_register, f.name.upper()) for f in fields(Counters)})
