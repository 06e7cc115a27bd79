"""Where the bitstreams of boards lie: `nigiri.bit.d/nigiri.BOARD.bit`, each with its `.hwh`, as PYNQ looks for them.

`make bitstream BOARD=...` puts them here; any package may bring more through the entry point `pynq.overlays`.
"""
from __future__ import annotations

import importlib.util
from importlib.metadata import entry_points
from pathlib import Path

from nigiri.runtime.errors import DeviceError

__all__ = ["BitstreamMissing", "find", "folders", "installed"]

GROUP, NAME = "pynq.overlays", "nigiri"


class BitstreamMissing(DeviceError):
    """No bitstream for a board is installed."""


def folders() -> list[Path]:
    """The folder of every installed package that brings overlays, this one first."""
    modules = [__name__, *sorted({e.value for e in entry_points(group=GROUP)} - {__name__})]
    out = []
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ImportError:
            continue
        out += [Path(p) for p in (found.submodule_search_locations or ())] if found else []
    return out


def installed() -> dict[str, Path]:
    """The bitstream of each board, by PYNQ's name of the board, as far as they are there with their description."""
    out: dict[str, Path] = {}
    for folder in folders():
        for path in sorted((folder / f"{NAME}.bit.d").glob(f"{NAME}.*.bit")):
            if path.with_suffix(".hwh").is_file():
                out.setdefault(path.name[len(NAME) + 1:-len(".bit")], path)
    return out


def find(*boards: str) -> Path:
    """The bitstream for the first of `boards` that has one; raises BitstreamMissing."""
    here = {name.lower(): path for name, path in installed().items()}
    for board in boards:
        if board.lower() in here:
            return here[board.lower()]
    wanted, listed = " or ".join(boards) or "this board", ", ".join(sorted(installed())) or "none"
    raise BitstreamMissing(f"no bitstream for {wanted} is installed (installed: {listed}): "
                           "build one with `make bitstream BOARD=...` where Vivado is installed, or give its path as "
                           "connect(bitstream=...)")
