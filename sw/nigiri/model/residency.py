"""The residency table, the persistent buffer behind it, and the fills that change both."""
from __future__ import annotations

import numpy as np

from nigiri.model.dma import Window
from nigiri.model.memory import BusFault
from nigiri.spec import residency
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.errors import ErrorCode

__all__ = ["FillFault", "Residency"]


class FillFault(Exception):
    """A fill stopped at entry `index` with `code`."""

    def __init__(self, code: ErrorCode, index: int):
        super().__init__(f"fill entry {index}: {code.name}")
        self.code, self.index = code, index


class Residency:
    """Which weight words are in the persistent buffer.

    Attributes
    ----------
    entries: resident layers, each with its fill entry.
    pb: the buffer, uint8 [pb_words, 64].
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.entries: dict[int, dict[str, int]] = {}
        self.pb = np.zeros((config.pb_words, 64), np.uint8)

    def clear(self) -> None:
        """No layer is resident; the buffer keeps its bytes."""
        self.entries.clear()

    def locate(self, layer: int, ob: np.ndarray, ib: np.ndarray, tap: np.ndarray) -> np.ndarray:
        """PB address of every weight word, -1 where it is not resident; the index arrays broadcast."""
        e = self.entries.get(layer)
        if e is None:
            return np.full(np.broadcast(ob, ib, tap).shape, -1, np.int64)
        address = e["pb_base"] + (ob * e["in_blocks"] + ib) * e["taps"] + tap
        return np.where((ob < e["out_blocks"]) & (ib < e["in_blocks"]) & (tap < e["taps"]), address, -1)

    def fill(self, window: Window, offset: int, count: int) -> int:
        """Carry out `count` entries at word `offset`; returns the bytes read.

        Raises FillFault; entries before the failing one have taken effect.  An entry that breaks a rule by itself
        changes nothing; one that fails later has made its layer non-resident.
        """
        nbytes = 0
        for n in range(count):
            try:
                nbytes += self._entry(window, offset + n)
            except BusFault as fault:
                raise FillFault(fault.code, n) from fault
        return nbytes

    def _entry(self, window: Window, offset: int) -> int:
        e = residency.unpack(window.read(offset, 1).tobytes())
        code = residency.problem(e, self.config)
        if code != ErrorCode.NONE:
            raise BusFault(code)
        self.entries.pop(e["layer"], None)
        if e["out_blocks"] == 0:
            return residency.BYTES
        if any(residency.overlaps(e, other) for other in self.entries.values()):
            raise BusFault(ErrorCode.FILL_OVERLAP)
        ob, ib, tap = np.ogrid[:e["out_blocks"], :e["in_blocks"], :e["taps"]]
        words = (e["mem_offset"] + (ob * e["w_blocks"] + ib) * e["w_taps"] + tap).reshape(-1)
        self.pb[e["pb_base"]:e["pb_base"] + len(words)] = window.gather(words)
        self.entries[e["layer"]] = e
        return residency.BYTES + 64 * len(words)
