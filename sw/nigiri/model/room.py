"""Tensors of a random program: where they lie in the activation buffer and what they hold at first."""
from __future__ import annotations

from dataclasses import dataclass, replace

from nigiri.model.conv import out_side
from nigiri.model.draw import Draw
from nigiri.model.image import ImageBuilder
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Opcode

__all__ = ["Room", "Tensor"]


@dataclass
class Tensor:
    """A tensor in the activation buffer inside a region that LOAD and STORE can move (multiples of 8 pixel words)."""

    region: int
    length: int
    base: int
    stride: int
    phase: int
    blocks: int
    h: int
    w: int
    zp: int

    @property
    def polyphase(self) -> bool:
        return self.phase > 0

    def plane(self, n: int) -> Tensor:
        """One phase plane of a polyphase tensor, as a plain tensor of its own."""
        return replace(self, base=self.base + n * self.phase, phase=0, h=out_side(self.h, 2), w=out_side(self.w, 2))


class Room:
    """The activation buffer of one program, given away once, from a random place on.

    Attributes
    ----------
    descriptors: the program so far.
    outputs: (offset in words, bytes) of every STORE.
    operands: (offset in words, words) of the stored tensors that a product may read: no code is -128.
    """

    def __init__(self, image: ImageBuilder, draw: Draw, config: AcceleratorConfig):
        self.image, self.draw, self.config = image, draw, config
        self.ab_next = 8 * draw.pick(0, config.ab_words // 8 - 1)
        self.ab_left = config.ab_words
        self.descriptors: list[dict[str, int]] = []
        self.outputs: list[tuple[int, int]] = []
        self.operands: list[tuple[int, int]] = []

    def tensor(self, h: int, w: int, blocks: int, polyphase: bool = False, written: bool = False) -> Tensor | None:
        """Room for a tensor, filled with random bytes by a LOAD so that gaps are compared too; None if it is too large.

        What a CONV writes begins as codes from -127 on, so that a product may read it with its gaps.

        A polyphase tensor that a CONV writes obeys the rule for `out_phase`; others have any phase stride.
        """
        draw, size, phase, plane = self.draw, h * w, 0, out_side(h, 2) * out_side(w, 2)
        if polyphase:
            banks = self.config.banks
            phase = plane + ((banks // 2 - plane) % banks + banks * draw.pick(0, 1) if written else draw.pick(0, 3))
            size = 3 * phase + plane
        stride, lead = size + draw.pick(0, 5), draw.pick(0, 7)
        length = -(-(lead + (blocks - 1) * stride + size) // 8) * 8
        if length > self.ab_left:
            return None
        region = self.ab_next % self.config.ab_words
        self.ab_next += length
        self.ab_left -= length
        region += self.config.ab_words * draw.pick(1, 1000) if draw.chance(0.1) else 0
        offset = self.image.put(draw.int8(length, 8, low=-127 if written else -128))
        self.descriptors.append({"opcode": Opcode.LOAD, "out_base": region, "length": length, "mem_offset": offset})
        return Tensor(region, length, region + lead, stride, phase, blocks, h, w, draw.zero_point())

    def store(self, t: Tensor, operand: bool = False) -> None:
        """A STORE of the whole region; operand: a product may read it."""
        self.image.reserve(self.draw.pick(0, 1))
        offset = self.image.reserve(t.length // 8)
        self.outputs.append((offset, 8 * t.length))
        self.operands += [(offset, t.length // 8)] if operand else []
        self.descriptors.append({"opcode": Opcode.STORE, "in_base": t.region, "length": t.length, "mem_offset": offset})
