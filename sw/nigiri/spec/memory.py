"""Off-chip memory settings: what a DRAM delivers to the accelerator, in simulation and in the cycle model."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.spec.config import AcceleratorConfig, ConfigError

__all__ = ["MEMORIES", "MemorySetting", "default_memory", "get_memory"]


@dataclass(frozen=True, kw_only=True)
class MemorySetting:
    """A DRAM as the data ports see it.

    Parameters
    ----------
    peak_gbs: peak of the memory, 1e9 bytes a second, all ports together.
    efficiency: share of the peak, and of the ports' rate, that is really delivered.
    latency: cycles from an accepted burst to its first beat.
    outstanding: bursts a port may have in flight.
    """

    name: str
    peak_gbs: float
    efficiency: float = 0.8
    latency: int = 40
    outstanding: int = 8

    def __post_init__(self):
        if self.peak_gbs <= 0 or not 0 < self.efficiency <= 1:
            raise ConfigError(f"memory {self.name!r}: peak_gbs must be positive and efficiency in (0, 1], "
                              f"not {self.peak_gbs!r} and {self.efficiency!r}")
        if not 1 <= self.latency <= 100_000 or not 1 <= self.outstanding <= 64:
            raise ConfigError(f"memory {self.name!r}: latency must be 1..100000 and outstanding 1..64, "
                              f"not {self.latency!r} and {self.outstanding!r}")

    def bytes_per_cycle(self, config: AcceleratorConfig) -> float:
        """Sustained bytes a cycle for `config`: the smaller of the memory's and the ports' rate, times efficiency."""
        return self.efficiency * min(self.peak_gbs * 1e3 / config.clock_mhz, config.port_bytes)


MEMORIES: dict[str, MemorySetting] = {m.name: m for m in (
    MemorySetting(name="ddr3_z2", peak_gbs=4.2, latency=30),
    MemorySetting(name="ddr4", peak_gbs=19.2, latency=50),
    MemorySetting(name="u50", peak_gbs=14.4, latency=50),
    MemorySetting(name="slow", peak_gbs=0.4, latency=120, outstanding=2),
    MemorySetting(name="ideal", peak_gbs=1000.0, efficiency=1.0, latency=2, outstanding=32),
)}
"""Named settings: the board memories at realistic efficiency, a slow one, and one that never makes anybody wait."""


def default_memory(config: AcceleratorConfig) -> MemorySetting:
    """The memory of the board that `config` is for."""
    if config.part.startswith("xcu50"):
        return MEMORIES["u50"]
    return MEMORIES["ddr4" if config.part.startswith(("xck26", "xczu")) else "ddr3_z2"]


def get_memory(name: str) -> MemorySetting:
    """The memory setting called `name`; raises ConfigError for an unknown name."""
    if name not in MEMORIES:
        raise ConfigError(f"unknown memory setting {name!r}: choose one of {', '.join(MEMORIES)}")
    return MEMORIES[name]
