"""What is to be known about a board: its chip, what of Nigiri runs on it, and where that lies in the address space."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nigiri.spec.config import ConfigError

__all__ = ["Board", "BoardError"]


class BoardError(ConfigError):
    """A board that is not known, or whose description contradicts itself."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A PYNQ board.

    Parameters
    ----------
    name: ours; lower case, also the name of its configuration unless `config` says otherwise.
    pynq_name: PYNQ's, as in the environment variable BOARD.
    title: for people.
    family: processing system, "zynq" (7000) or "zynquplus".
    part, board_part: as Vivado names them.
    config: the accelerator configuration built for it.
    fclk_mhz: clock that the PS gives the accelerator, made from the IOPLL.
    iopll_mhz: that PLL; fclk_mhz is a whole fraction of it.
    ip_base, intc_base: registers of accelerator and interrupt controller, bytes.
    memory_base, memory_bytes: DRAM that buffers come from, as the data ports see it.
    pynq: releases of the pynq package that the board's images carry.
    image: the image that these come with.
    """

    name: str
    pynq_name: str
    title: str
    family: Literal["zynq", "zynquplus"]
    part: str
    board_part: str
    config: str
    fclk_mhz: float
    iopll_mhz: float
    ip_base: int
    intc_base: int
    memory_base: int
    memory_bytes: int
    pynq: str
    image: str

    def __post_init__(self) -> None:
        divisor = self.iopll_mhz / self.fclk_mhz
        if abs(divisor - round(divisor)) > 1e-6:
            raise BoardError(f"board {self.name!r}: {self.fclk_mhz:g} MHz is no whole fraction of the IOPLL's "
                             f"{self.iopll_mhz:g} MHz")

    @property
    def arch(self) -> str:
        """What the kernel calls the processor."""
        return "armv7l" if self.family == "zynq" else "aarch64"

    @property
    def data_ports(self) -> int:
        """High-performance slave ports of the PS that a configuration may use."""
        return 4
