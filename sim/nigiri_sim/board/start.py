"""Puts a simulated board in PYNQ's place for the real one."""
from __future__ import annotations

import pynq

from nigiri.model import GoldenDevice
from nigiri.runtime.errors import BadArgument
from nigiri.spec.boards import get_board
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting
from nigiri_sim.board.device import Core, SimulatedBoard
from nigiri_sim.device import RtlDevice

__all__ = ["activate", "start"]


def start(name: str, core: str = "rtl", *, config: AcceleratorConfig | None = None,
          memory: MemorySetting | None = None, edge: bool = True, iopll_mhz: float | None = None,
          whole: bool = True) -> SimulatedBoard:
    """A simulated board, active from now on: pynq.Overlay, pynq.allocate and the others use it.

    Parameters
    ----------
    name: of the board, ours or PYNQ's.
    core: "rtl", the accelerator's Verilog in Verilator, or "golden", its model without time.
    memory: the DRAM behind the RTL; the board's when left out.
    config, edge, iopll_mhz, whole: see :class:`~nigiri_sim.board.device.SimulatedBoard`.

    Raises
    ------
    BoardError: no such board.  BadArgument: no such core, or this release of pynq does not drive the board.
    """
    board = get_board(name)
    if core not in ("rtl", "golden"):
        raise BadArgument(f"the core of a simulated board must be rtl or golden, not {core!r}")
    if board.family == "zynq" and int(pynq.__version__.split(".")[0]) >= 4:
        raise BadArgument(f"pynq {pynq.__version__} does not support {board.title}: install pynq 3.1.2")

    def make(chosen: AcceleratorConfig) -> Core:
        if core == "golden":
            return GoldenDevice(chosen, memory_base=board.memory_base)
        return RtlDevice(chosen, memory, dram_base=board.memory_base)
    made = SimulatedBoard(board, make, config=config, edge=edge, iopll_mhz=iopll_mhz, whole=whole)
    activate(made)
    return made


def activate(board: SimulatedBoard) -> None:
    """Make `board` the one that PYNQ works on, where it keeps more than one reference to it."""
    pynq.Device.active_device = board
    pynq.ps.CPU_ARCH = board.arch                  # pynq 3.0 asks for the host's
    if hasattr(pynq.Clocks, "_real_instance"):     # made for the device before
        del pynq.Clocks._real_instance
