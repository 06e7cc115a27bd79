"""Energy of one inference of every SubNet of a bundle, by the cycle model's bytes and published constants."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nigiri.bundle import Bundle
from nigiri.cycles import predict
from nigiri.energy import energy_for_memory, energy_mj
from nigiri.sched.subgraph import Box
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["SubNetEnergy", "subnet_energies"]


@dataclass(frozen=True, kw_only=True)
class SubNetEnergy:
    """One inference: cycles, off-chip and persistent-buffer bytes, and millijoules.

    The energy is that of bytes and multiply-accumulates; the constants know no power of a chip at rest.
    """

    name: str
    macs: int
    cycles: int
    dram_bytes: int
    pb_bytes: int
    dram_mj: float
    mac_mj: float
    total_mj: float


def subnet_energies(bundle: Bundle, config: AcceleratorConfig, memory: MemorySetting,
                    cached: Mapping[int, Box]) -> dict[str, SubNetEnergy]:
    """By SubNet, while `cached` is in the persistent buffer."""
    compiled, constants = bundle.compiled(config), energy_for_memory(memory.name)
    out = {}
    for info in bundle.subnets:
        p = predict(compiled.descriptors(info.name), config, memory, cached, offset=compiled.program(info.name)[0])
        e = energy_mj(constants, dram_bytes=p.dram_bytes, pb_bytes=p.nbytes["pb"], macs=info.macs)
        out[info.name] = SubNetEnergy(name=info.name, macs=info.macs, cycles=p.cycles, dram_bytes=p.dram_bytes,
                                      pb_bytes=p.nbytes["pb"], dram_mj=e["dram"], mac_mj=e["mac"], total_mj=e["total"])
    return out
