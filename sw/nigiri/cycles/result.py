"""What the cycle model says about a program."""
from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CAUSES", "KINDS", "LayerCycles", "Prediction", "Span"]

CAUSES = ("weights", "activations", "requant", "writeback", "descriptor")
"""Why the array takes no step, as the device's counters tell it apart."""
KINDS = ("weights", "pb", "tables", "act_in", "act_out", "descriptors")
"""Bytes by kind, as the device's counters tell them apart; "pb" is read on the chip, all others off it."""


@dataclass(frozen=True)
class Span:
    """Something that happens on `track` from cycle `start` to cycle `end` of the program."""

    track: str
    start: float
    end: float


@dataclass(kw_only=True)
class LayerCycles:
    """One descriptor.

    Attributes
    ----------
    index: position in the program.  layer: SuperNet layer, of a CONV.
    start, cycles: first cycle, and cycles until the next descriptor's.
    busy: cycles in which the array takes a step.  stalls: all others, by cause.
    nbytes: by kind.  macs: multiply-accumulates of the array that count, whole blocks of 8 channels.
    """

    index: int
    opcode: int
    layer: int
    start: float = 0.0
    cycles: float = 0.0
    busy: float = 0.0
    stalls: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    nbytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    macs: int = 0
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A whole program."""

    layers: tuple[LayerCycles, ...]

    @property
    def cycles(self) -> int:
        """Cycles from start to done."""
        return round(sum(x.cycles for x in self.layers))

    @property
    def busy(self) -> int:
        return round(sum(x.busy for x in self.layers))

    @property
    def stalls(self) -> dict[str, int]:
        return {c: round(sum(x.stalls[c] for x in self.layers)) for c in CAUSES}

    @property
    def nbytes(self) -> dict[str, int]:
        return {k: sum(x.nbytes[k] for x in self.layers) for k in KINDS}

    @property
    def dram_bytes(self) -> int:
        """Bytes that pass the data ports."""
        return sum(v for k, v in self.nbytes.items() if k != "pb")
