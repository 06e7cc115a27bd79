"""Energy from counted bytes and multiply-accumulates, with named constants.

The constants are published figures of other chips, not measurements of this one: they rank, they do not promise.
Report the bytes first.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nigiri.runtime.errors import NigiriError

__all__ = ["ENERGY", "EnergyConstants", "EnergyError", "energy_for_memory", "energy_mj", "get_energy"]


class EnergyError(NigiriError):
    """An unknown set of energy constants."""


@dataclass(frozen=True, kw_only=True)
class EnergyConstants:
    """A named set.

    Parameters
    ----------
    dram_pj_per_bit: one bit read from or written to off-chip memory, interface included.
    sram_pj_per_byte: one byte read from the persistent buffer.
    mac_pj: one int8 multiply-accumulate.
    source: where the figures come from.
    """

    name: str
    dram_pj_per_bit: float
    sram_pj_per_byte: float = 2.5
    mac_pj: float = 0.23
    source: str


_CHIP = "; SRAM 2.5 pJ/byte (32 KB array) and int8 MAC 0.23 pJ: Horowitz, ISSCC 2014, 45 nm"

ENERGY: dict[str, EnergyConstants] = {e.name: e for e in (
    EnergyConstants(name="lpddr4", dram_pj_per_bit=8.0, source="LPDDR4 8 pJ/bit: Accelergy, public data" + _CHIP),
    EnergyConstants(name="ddr4", dram_pj_per_bit=20.0,
                    source="DDR4 20 pJ/bit: middle of 15 to 25 (Li, Reddy, Jacob, MEMSYS 2018)" + _CHIP),
    EnergyConstants(name="ddr3", dram_pj_per_bit=70.0,
                    source="DDR3 70 pJ/bit: Chatterjee et al., MICRO 2017, as quoted by Accelergy" + _CHIP),
)}
"""Named sets, by the kind of off-chip memory."""


def get_energy(name: str) -> EnergyConstants:
    """The set called `name`; raises EnergyError for an unknown name."""
    if name not in ENERGY:
        raise EnergyError(f"unknown energy constants {name!r}: choose one of {', '.join(ENERGY)}")
    return ENERGY[name]


def energy_for_memory(memory: str) -> EnergyConstants:
    """The set for a named memory setting: DDR3 for the PYNQ-Z2's memory, DDR4 for all others."""
    return ENERGY["ddr3" if memory.startswith("ddr3") else "ddr4"]


def energy_mj(constants: EnergyConstants, *, dram_bytes: int, pb_bytes: int = 0, macs: int = 0) -> dict[str, float]:
    """Millijoules by part: `dram`, `pb`, `mac` and `total`."""
    parts = {"dram": dram_bytes * 8 * constants.dram_pj_per_bit * 1e-9,
             "pb": pb_bytes * constants.sram_pj_per_byte * 1e-9, "mac": macs * constants.mac_pj * 1e-9}
    return {**parts, "total": sum(parts.values())}


def total_bytes(kinds: Mapping[str, int]) -> int:
    """Sum over kinds, without an entry called "total"."""
    return sum(v for k, v in kinds.items() if k != "total")
