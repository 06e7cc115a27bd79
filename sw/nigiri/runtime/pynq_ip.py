"""The accelerator's driver for PYNQ, and the few things of the pynq package that we use.

The only module of `nigiri` that imports pynq, and only what its releases 3.0.1 to 4.0 have in common.  PYNQ imports it
by itself (entry point `pynq.lib`) whenever an overlay is loaded, so that every accelerator in it gets this driver.
"""
from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pynq

from nigiri.runtime.errors import BadArgument, DeviceError
from nigiri.runtime.interrupts import loop_thread
from nigiri.spec import ip
from nigiri.spec.registers import SPAN

__all__ = ["NigiriIP", "active_board", "allocate", "clock_mhz", "load_overlay", "set_clock_mhz"]


class NigiriIP(pynq.DefaultIP):
    """Registers and interrupt of one accelerator in an overlay.

    `read` and `write` take any integers; `interrupt` is the pynq.Interrupt of the pin, None where the overlay has no
    interrupt controller.  :func:`nigiri.connect` makes a device of it.
    """

    bindto = [ip.VLNV]  # noqa: RUF012 -- pynq's name and type

    def __init__(self, description: dict[str, Any]) -> None:
        self.interrupt: Any = None
        # PYNQ ties an interrupt to the event loop in which it is first touched, and it never comes in another one.
        loop_thread().call(lambda: super(NigiriIP, self).__init__(description=description))

    def read(self, offset: int = 0) -> int:
        """The 32-bit register at byte `offset`."""
        self._check(offset)
        return int(super().read(int(offset)))

    def write(self, offset: int, value: int) -> None:
        """Write the low 32 bits of `value`; MMIO itself refuses NumPy integers, and what it does with others varies."""
        self._check(offset)
        super().write(int(offset), int(value) & 0xFFFFFFFF)

    @staticmethod
    def _check(offset: int) -> None:
        if not 0 <= offset < SPAN or offset % 4:
            raise BadArgument(f"register offset {offset:#x} must be a multiple of 4 below {SPAN:#x}")


def active_board() -> Any:
    """PYNQ's active device; raises DeviceError where there is none."""
    try:
        found = pynq.Device.active_device
    except RuntimeError:
        found = None
    if found is None:
        raise DeviceError(
            "PYNQ finds no board here: on a board run as root with its environment (sudo -E, after `source "
            "/etc/profile.d/pynq_venv.sh`), on a desk connect to a simulated one, for example sim:pynq_z2")
    return found


def load_overlay(path: Path, *, download: bool = True) -> Any:
    """The pynq.Overlay at `path`; metadata that PYNQ keeps of an earlier design is thrown away first.

    Raises
    ------
    DeviceError: there is no bitstream, or PYNQ cannot load it; the message says what PYNQ said.
    """
    active_board()
    if not path.is_file():
        raise DeviceError(f"there is no bitstream {path}: give the path of a .bit file with its .hwh beside it")
    if not path.with_suffix(".hwh").is_file():
        raise DeviceError(f"{path.with_suffix('.hwh').name} is missing beside {path}: copy it from where the bitstream "
                          "was built")
    if path.with_suffix(".xsa").exists():
        raise DeviceError(f"{path.with_suffix('.xsa')} lies beside the bitstream, and PYNQ would stumble over it: "
                          "move it to another folder")
    _forget_earlier_design()
    try:
        with warnings.catch_warnings():
            # PYNQ warns of drivers that it could not bind; connect() says it as an error.
            warnings.simplefilter("ignore")
            return loop_thread().call(lambda: pynq.Overlay(str(path.resolve()), download=download))
    except DeviceError:
        raise
    except Exception as error:
        raise DeviceError(f"PYNQ {pynq.__version__} cannot load {path}: {error}") from error


def _forget_earlier_design() -> None:
    """PYNQ caches the parsed .hwh and may serve addresses of another design (its issues 1409, 1652)."""
    try:
        from pynq.pl_server.global_state import clear_global_state
    except ImportError:
        return
    try:
        clear_global_state()
    except OSError:
        pass      # no cache to clear, or not ours to write


def allocate(board: Any, nbytes: int) -> Any:
    """A pynq buffer of `nbytes` bytes; raises DeviceError."""
    try:
        return pynq.allocate((nbytes,), np.uint8, target=board)
    except (RuntimeError, MemoryError, OSError) as error:
        raise DeviceError(f"PYNQ cannot allocate {nbytes} bytes of contiguous memory ({error}): free other buffers, or "
                          "enlarge the kernel's CMA area") from error


def clock_mhz() -> float:
    """The first fabric clock, as the dividers and the PLL say."""
    return float(pynq.Clocks.fclk0_mhz)


def set_clock_mhz(limit: float) -> float:
    """Set the first fabric clock to the highest frequency up to `limit` MHz that the dividers give; returns it."""
    wanted = limit
    for _ in range(40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")          # PYNQ warns when it misses by more than 1 %; we read back
            pynq.Clocks.fclk0_mhz = wanted
        got = clock_mhz()
        if got <= limit * 1.001:
            return got
        wanted *= 0.97
    raise DeviceError(f"the fabric clock cannot be set to {limit:g} MHz or less, it stays at {got:g} MHz")
