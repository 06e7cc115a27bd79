"""What this release of pynq drives, and small programs for a board."""
from __future__ import annotations

import numpy as np
import pynq

from nigiri.runtime.driver import WORD, Driver
from nigiri.spec import descriptor
from nigiri.spec.boards import BOARDS
from nigiri.spec.descriptor import Opcode

BOARDS_HERE = [b.name for b in BOARDS.values() if b.family != "zynq" or int(pynq.__version__.split(".")[0]) < 4]
"""Boards that the installed pynq supports: Zynq-7000 was dropped in 4.0."""


def copy_program(words: int, source: int, target: int) -> bytes:
    """A program that copies `words` 64-byte words through the activation buffer."""
    return (descriptor.pack(opcode=Opcode.LOAD, mem_offset=source, length=8 * words, out_base=0)
            + descriptor.pack(opcode=Opcode.STORE, mem_offset=target, length=8 * words, in_base=0))


def copied(driver: Driver, data: np.ndarray) -> np.ndarray:
    """`data` (whole words) after a trip through the accelerator."""
    words = data.size // WORD
    driver.write(0, copy_program(words, 4, 4 + words))
    driver.write(4, data)
    driver.run(0, 2)
    return driver.read(4 + words, data.size)
