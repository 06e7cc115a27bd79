"""Programs in which every product reads a tensor that was stored right before it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.model.image import ImageBuilder, pack_dense, pack_params
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["SIDE", "Chain", "chain"]

SIDE = 4
"""A map of 4 x 4 pixels."""


@dataclass(frozen=True)
class Chain:
    """A window image, the program in it, and where the tensors lie that it stores and reads back, in words."""

    image: np.ndarray
    offset: int
    lines: list[dict[str, int]]
    stored: list[int]
    words: int


def chain(length: int, *, seed: int = 0, blocks: int = 2, first: int = 0, split: int = 0) -> Chain:
    """LOAD x; y = layer(x); then `length` times STORE y and y = x times the tensor just stored, transposed every second
    time; STORE y.  All products read the same place of memory, so each needs the STORE before it and no other.

    Where a tensor is stored lie other codes before.  first: the word of the window at which that place begins.
    """
    rng, image = np.random.default_rng(seed), ImageBuilder()
    pixels, words = 8 * blocks, blocks * blocks               # a square operand: pixels = channels
    assert pixels % SIDE == 0

    def codes(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape, dtype=np.int8)
    image.reserve(first)
    operand = image.put(codes(words, 64))
    x, out = image.put(codes(words, 64)), image.put(codes(words, 64))
    weights = image.put(pack_dense(codes(blocks, blocks, 1, 8, 8)))
    shift = 15 + int(np.ceil(np.log2(5400 * np.sqrt(8 * blocks) / 40)))
    params = image.put(pack_params(rng.integers(-5000, 5000, pixels).tolist(), [1 << 15] * pixels, [shift] * pixels))
    at = {"x": 0, "y": words * 8}
    layer = {"opcode": Opcode.CONV, "kernel": 1, "split": split, "in_w": SIDE, "in_h": pixels // SIDE,
             "out_h": pixels // SIDE, "out_blocks": blocks, "in_blocks": blocks, "in_base": at["x"],
             "in_stride": pixels, "out_base": at["y"], "out_stride": pixels, "param_offset": params, "act_min": -127,
             "act_max": 127, "w_blocks": blocks}
    store = {"opcode": Opcode.STORE, "mem_offset": operand, "in_base": at["y"], "length": 8 * words}
    lines = [{"opcode": Opcode.LOAD, "mem_offset": x, "out_base": at["x"], "length": 8 * words},
             layer | {"mem_offset": weights, "w_taps": 1}]
    for n in range(length):
        flags = Flag.PRODUCT | Flag.TRANSPOSE * (n % 2)
        lines += [dict(store), layer | {"flags": flags, "mem_offset": operand, "w_taps": blocks}]
    lines.append(store | {"mem_offset": out})
    program = image.program(lines)
    image.reserve(1)
    return Chain(image.image(), program, lines, [operand, out], words)
