"""A program's cycles and bytes, layer by layer."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nigiri.compiler import CompiledBundle
from nigiri.cycles.check import steps
from nigiri.cycles.result import CAUSES, KINDS, Prediction
from nigiri.spec.descriptor import Opcode

__all__ = ["LayerRow", "names_of", "rows_of"]

WAITING = 0.1
"""Share of a layer's cycles without a step from which it is called bound by what it waits for."""


@dataclass(kw_only=True)
class LayerRow:
    """A layer with all its bands, or all transfers between two layers.

    Attributes
    ----------
    cycles: predicted.  measured: on a device, 0 when nothing was measured.
    busy, stalls: as in :class:`nigiri.cycles.LayerCycles`.  nbytes: by kind.  macs: of whole blocks of 8 channels.
    """

    name: str
    descriptors: int = 0
    cycles: float = 0.0
    measured: int = 0
    busy: float = 0.0
    macs: int = 0
    stalls: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    nbytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @property
    def bound(self) -> str:
        """What most of the time is lost to, "compute" where little is lost; "residual" reads residuals and scales."""
        lost = {"weights": self.stalls["weights"], "requantise": self.stalls["requant"],
                "residual" if self.busy else "load/store": self.stalls["activations"],
                "overhead": self.stalls["writeback"] + self.stalls["descriptor"]}
        if self.busy and sum(lost.values()) < WAITING * self.cycles:
            return "compute"
        return max(lost, key=lambda k: lost[k])

    @property
    def hit(self) -> float:
        """Share of the weight bytes that come from the persistent buffer."""
        return self.nbytes["pb"] / max(1, self.nbytes["pb"] + self.nbytes["weights"])

    @property
    def dram_bytes(self) -> int:
        return sum(v for k, v in self.nbytes.items() if k != "pb")

    def utilization(self, mac_units: int) -> float:
        """Multiply-accumulates that count, of those possible."""
        return self.macs / (self.cycles * mac_units) if self.cycles else 0.0

    def as_dict(self, mac_units: int) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, "descriptors": self.descriptors, "cycles": round(self.cycles),
                "measured_cycles": self.measured or None, "utilization": self.utilization(mac_units),
                "bound": self.bound, "busy": round(self.busy), "macs": self.macs,
                "stalls": {k: round(v) for k, v in self.stalls.items()}, "bytes": dict(self.nbytes),
                "cache_hit": self.hit}


def names_of(compiled: CompiledBundle, program: Sequence[Mapping[str, int]]) -> list[str]:
    """Name of every descriptor: its layer's, or what a transfer does."""
    names = {x.id: x.name for x in compiled.layers}
    return [names[d["layer"]] if d["opcode"] == Opcode.CONV else Opcode(d["opcode"]).name.lower() for d in program]


def rows_of(compiled: CompiledBundle, program: Sequence[Mapping[str, int]], prediction: Prediction,
            measured: Sequence[int] = ()) -> list[LayerRow]:
    """One row for every layer, in the order of their first bands, and one for all loads, and all stores."""
    names = names_of(compiled, program)
    out: dict[str, LayerRow] = {}
    for part in steps(program):
        row = out.setdefault(names[part[0]], LayerRow(name=names[part[0]]))
        for n in part:
            x = prediction.layers[n]
            row.descriptors += 1
            row.cycles += x.cycles
            row.measured += measured[n] if measured else 0
            row.busy += x.busy
            row.macs += x.macs
            for cause, value in x.stalls.items():
                row.stalls[cause] += value
            for kind, count in x.nbytes.items():
                row.nbytes[kind] += count
    return list(out.values())
