"""`nigiri.connect`: the device that a program runs on, by name."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nigiri import overlays
from nigiri.runtime.device import Device
from nigiri.runtime.errors import BadArgument, DeviceError, NigiriError, WrongProduct, WrongVersion
from nigiri.spec import ip
from nigiri.spec.config import AcceleratorConfig, get_config

__all__ = ["VARIABLE", "PackageMissing", "connect"]

VARIABLE = "NIGIRI_DEVICE"
"""Environment variable that says what connect() connects to when it is not told."""
BOARD_FILE = Path("/proc/device-tree/chosen/pynq_board")


class PackageMissing(NigiriError):
    """A package that this device needs is not installed."""


def connect(device: str | None = None, *, bitstream: str | Path | None = None, core: str | None = None,
            config: AcceleratorConfig | None = None, clock_mhz: float | None = None,
            interrupts: bool = True) -> Device:
    """Open a device.

    Parameters
    ----------
    device: "pynq", the board that this program runs on; "sim:BOARD", a simulated one under the same pynq package (or
        "sim:BOARD:golden" with the golden model in place of the RTL); "rtl:CONFIG" or "golden:CONFIG", without pynq.
        When left out, what the environment variable NIGIRI_DEVICE says, or else "pynq".
    bitstream: another .bit file than the installed one (boards only).
    core: which accelerator of an overlay that has several; the first when left out (boards only).
    config: what the bitstream holds, if this release does not know its digest (boards only).
    clock_mhz, interrupts: see :class:`~nigiri.runtime.board.BoardDevice` (boards only).

    Raises
    ------
    BadArgument: no such device.  PackageMissing: pynq or the simulator is not installed.  BoardError, ConfigError.
    BitstreamMissing, WrongProduct, WrongVersion, WrongConfiguration: what is loaded, or installed, is not ours.
    DeviceError: PYNQ finds no board, or cannot load the bitstream.
    """
    name = device or os.environ.get(VARIABLE) or "pynq"
    kind, _, rest = name.partition(":")
    if kind == "pynq" and not rest:
        return _board(bitstream, core, config, clock_mhz, interrupts)
    if kind == "sim" and rest:
        board, _, model = rest.partition(":")
        simulated = _module("nigiri_sim.board.start", "sim,pynq").start(board, model or "rtl", config=config)
        try:
            return _board(bitstream, core, config, clock_mhz, interrupts, simulated.close)
        except BaseException:
            simulated.close()
            raise
    if kind == "rtl" and rest:
        made: Device = _module("nigiri_sim.device", "sim").RtlDevice(get_config(rest))
        return made
    if kind == "golden" and rest:
        from nigiri.model import GoldenDevice

        return GoldenDevice(get_config(rest))
    raise BadArgument(f"unknown device {name!r}: give pynq on a board, or sim:BOARD, rtl:CONFIG, golden:CONFIG, as "
                      f"argument or in {VARIABLE}")


def _module(name: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PackageMissing(f"this device needs the package {error.name!r}, which is not installed: run pip install "
                             f"'nigiri[{extra}]'") from error


def _names(board: Any) -> list[str]:
    """What the board may be called, the surest first."""
    names = [str(getattr(board, "name", ""))]
    if not names[0].startswith("Simulated-"):
        if BOARD_FILE.is_file():
            names.insert(0, BOARD_FILE.read_text().strip("\0\n "))
        names.insert(0, os.environ.get("BOARD", ""))
    return [n for n in names if n]


def _board(bitstream: str | Path | None, core: str | None, config: AcceleratorConfig | None, clock_mhz: float | None,
           interrupts: bool, on_close: Callable[[], None] | None = None) -> Device:
    pynq_ip = _module("nigiri.runtime.pynq_ip", "pynq")
    board = _module("nigiri.runtime.board", "pynq")
    path = Path(bitstream) if bitstream else overlays.find(*_names(pynq_ip.active_board()))
    overlay = pynq_ip.load_overlay(path)
    name = _core_of(overlay.ip_dict, path, core)
    try:
        chosen = getattr(overlay, name)
    except AttributeError as error:
        raise DeviceError(f"{path.name} has no IP called {name!r}") from error
    opened: Device = board.BoardDevice(chosen, overlay, config=config, clock_mhz=clock_mhz, interrupts=interrupts,
                                       on_close=on_close)
    return opened


def _core_of(found: dict[str, dict[str, Any]], path: Path, core: str | None) -> str:
    """The name of the accelerator among the IPs of an overlay."""
    family = ip.VLNV.rpartition(":")[0]
    ours = {name: str(d["type"]) for name, d in found.items() if str(d.get("type", "")).rpartition(":")[0] == family}
    if not ours:
        listed = ", ".join(f"{n} ({d.get('type')})" for n, d in found.items()) or "nothing"
        raise WrongProduct(f"{path.name} holds no Nigiri accelerator, but {listed}: load the Nigiri bitstream")
    if core is not None and core not in ours:
        raise BadArgument(f"{path.name} has no accelerator called {core!r}: choose one of {', '.join(sorted(ours))}")
    name = core or sorted(ours)[0]
    if ours[name] != ip.VLNV:
        raise WrongVersion(f"{path.name} holds {ours[name]}, this software drives {ip.VLNV}: build the bitstream and "
                           "install the software from one release")
    return name
