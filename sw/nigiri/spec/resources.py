"""What a configuration takes of its FPGA, counted from the structure of the hardware, before any synthesis.

Block RAM is counted in 36 Kbit blocks of 512 x 72, UltraRAM in blocks of 4,096 x 72; every memory of the accelerator
has words of 64 bits with one read and one write port, so the eight bits for parity are left over.  A DSP slice does two
multiply-accumulates of the array a cycle; a requantiser lane has one 32 x 16 multiplier (two slices) and two of 9 x 16.
On 7-series parts, which have few slices, a requantiser lane takes one: the rest of it is in look-up tables.
Look-up tables are for synthesis to say (`nigiri bench resources`).
"""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.spec.config import AcceleratorConfig

__all__ = ["PARTS", "Part", "Resources", "resources"]

BRAM_ROWS, URAM_ROWS = 512, 4096
SCARCE_DSP, OTHER_DSP = 3, 13
"""Slices of sequencer, fetch and pooling: where slices are scarce, and elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """An FPGA: 36 Kbit block RAMs, UltraRAMs, DSP slices.  Source: AMD's product tables (DS190, DS891, DS965, DS987).
    """

    bram36: int
    uram: int
    dsp: int


PARTS: dict[str, Part] = {
    "xc7z020": Part(bram36=140, uram=0, dsp=220),
    "xck26": Part(bram36=144, uram=64, dsp=1248),
    "xczu7ev": Part(bram36=312, uram=96, dsp=1728),
    "xcu50": Part(bram36=1344, uram=640, dsp=5952),
}
"""By the beginning of the name that a configuration gives its part."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What is used, of what; `where` says which memories lie in UltraRAM."""

    bram36: int
    uram: int
    dsp: int
    part: Part | None
    where: str

    @property
    def fits(self) -> bool:
        """Whether the part has that many; true for a configuration without one."""
        return self.part is None or (self.bram36 <= self.part.bram36 and self.uram <= self.part.uram
                                     and self.dsp <= self.part.dsp)

    @property
    def ram_share(self) -> float:
        """Used bits of block RAM and UltraRAM together, of those there are; 0 without a part."""
        if self.part is None:
            return 0.0
        rows = BRAM_ROWS * self.bram36 + URAM_ROWS * self.uram
        return rows / (BRAM_ROWS * self.part.bram36 + URAM_ROWS * self.part.uram)


def resources(config: AcceleratorConfig) -> Resources:
    """The first placement of the three buffers that fits, with as few as possible in UltraRAM.

    The persistent buffer is there wherever the part has UltraRAM, as the hardware asks for it.  If nothing fits, the
    placement with the fewest in UltraRAM.
    """
    part = next((p for name, p in PARTS.items() if config.part.startswith(name)), None)
    # (name, 64-bit memories, rows of each)
    buffers = [("PB", 8 * config.groups if config.pb_words else 0, -(-config.pb_words // config.groups)),
               ("AB", config.banks, config.ab_words // config.banks),
               ("DB", 8 * config.groups, config.ring_words)]
    other = 8 + 2 * config.ports                     # residency table, descriptors, queues of the ports
    scarce = config.part.startswith("xc7")
    lanes = 8 * config.requant_pixels
    dsp = 64 * config.lanes // 2 + (lanes + SCARCE_DSP if scarce else 4 * lanes + OTHER_DSP)

    def placed(ultra: tuple[str, ...]) -> Resources:
        bram, uram = other, 0
        for name, count, rows in buffers:
            if name in ultra:
                uram += count * -(-rows // URAM_ROWS)
            else:
                bram += count * -(-rows // BRAM_ROWS)
        return Resources(bram36=bram, uram=uram, dsp=dsp, part=part, where=" ".join(ultra) or "none")

    choices = (("PB",), ("PB", "DB"), ("PB", "AB"), ("PB", "AB", "DB")) if part and part.uram else ((),)
    options = [placed(u) for u in choices]
    return next((r for r in options if r.fits), options[0])
