"""What a replica drives: an engine on a device, or the cycle model's clock with the golden model's answers."""
from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nigiri.bundle import Bundle
from nigiri.compiler.interpret import Interpreter
from nigiri.counts import dram_bytes
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.sched.subgraph import WORD
from nigiri.sched.table import LatencyTable

__all__ = ["Backend", "EngineBackend", "Golden", "Launched", "ModelBackend"]

KEPT = 65536
"""Answers of the golden model that are remembered."""
SPIN_S = 200e-6
"""The last part of a wait is spent looking at the clock: a sleep would be late by a good part of it."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What a launch gave: logits int8 [images, classes], its time on the device, and the bytes it moved."""

    logits: np.ndarray
    device_ms: float
    dram_bytes: int = 0
    pb_bytes: int = 0


class Backend(Protocol):
    """One device with one SuperNet; calls come from one thread at a time, and may block.

    Attributes
    ----------
    table: what the policies look up.  clock_mhz: at which it runs; top_mhz: at most.
    """

    table: LatencyTable
    clock_mhz: float
    top_mhz: float

    def load(self, column: int) -> None:
        """Start to load the SubGraph of a column of the table."""
        ...

    def run(self, row: int, images: Sequence[np.ndarray], wait: bool) -> Launched:
        """Classify images uint8 [height, width, channels] with the SubNet of a row; raises DeviceError."""
        ...

    def set_clock(self, mhz: float) -> float:
        """Set the clock to at most `mhz`; returns what it is now."""
        ...

    def close(self) -> None: ...


class Golden:
    """The golden model's logits, computed once for every SubNet and image; safe to use from several threads."""

    def __init__(self, loaded: Bundle) -> None:
        self._network = loaded.network
        self._nets: dict[str, Interpreter] = {}
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def logits(self, subnet: str, images: Sequence[np.ndarray]) -> np.ndarray:
        """int8 [images, classes]."""
        keys = [hashlib.sha1(subnet.encode() + np.ascontiguousarray(x).tobytes()).digest() for x in images]
        with self._lock:
            missing = [n for n, key in enumerate(keys) if key not in self._known]
            if missing:
                if subnet not in self._nets:
                    self._nets[subnet] = Interpreter(self._network, subnet)
                new = self._nets[subnet].logits(np.stack([images[n] for n in missing]))
                for n, line in zip(missing, new, strict=True):
                    self._known[keys[n]] = line
            found = np.stack([self._known[key] for key in keys])
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found


class EngineBackend:
    """An engine on a device: RTL, board, or golden model.

    A launch is padded to the next number of images that the engine has programs for, as the table assumes; without any,
    its images run one after the other.  Times are those the device counted, or the table's where it counts none.
    """

    def __init__(self, engine: Engine, table: LatencyTable, *, owns_device: bool = True) -> None:
        self._engine, self.table, self._owns = engine, table, owns_device
        self._device = engine.driver.device
        self.clock_mhz = float(getattr(self._device, "clock_mhz", self._device.config.clock_mhz))
        self.top_mhz = float(getattr(self._device, "built_mhz", self.clock_mhz))
        self._column, self._filling = 0, False

    @property
    def engine(self) -> Engine:
        return self._engine

    def load(self, column: int) -> None:
        self._finish()
        change = self._engine.cache(self.table.subgraphs[column].boxes, wait=False)
        self._column, self._filling = column, change.entries > 0

    def _finish(self) -> int:
        if not self._filling:
            return 0
        self._filling = False
        return self._engine.wait_cache()

    def run(self, row: int, images: Sequence[np.ndarray], wait: bool) -> Launched:
        name = self.table.subnets[row].name
        fill = self._finish() if wait else 0
        answers, launches = [], []
        most = max(self._engine.batches)
        for at in range(0, len(images), most):
            part = list(images[at:at + most])
            size = next(n for n in sorted(self._engine.batches) if n >= len(part))
            found = self._engine.infer_batch(name, part + part[-1:] * (size - len(part)))
            answers += found[:len(part)]
            launches.append(found[0])
        counted = sum(x.counters.cycles for x in launches)
        cycles = counted or len(images) * int(self.table.cycles[row, self._column])
        return Launched(logits=np.stack([x.logits for x in answers]), device_ms=cycles / (1e3 * self.clock_mhz),
                        dram_bytes=fill + sum(dram_bytes(x.counters)["total"] for x in launches),
                        pb_bytes=sum(x.counters.bytes_weights_pb for x in launches))

    def set_clock(self, mhz: float) -> float:
        setter = getattr(self._device, "set_clock", None)
        if setter:
            self.clock_mhz = float(setter(min(mhz, self.top_mhz)))
        return self.clock_mhz

    def close(self) -> None:
        self._engine.close()
        if self._owns:
            self._device.close()


class ModelBackend:
    """No device: a launch takes the time that the table says, and answers what the golden model says.

    For trying out a service, and for its tests.  The golden model computes each image once and remembers the answer,
    so that the processor is free for serving; first sight of an image takes longer than the table says.  clock_mhz: at
    most; the table's when left out.
    """

    def __init__(self, golden: Golden, table: LatencyTable, clock_mhz: float | None = None) -> None:
        self.golden, self.table = golden, table
        self.top_mhz = self.clock_mhz = clock_mhz or table.clock_mhz
        self._column = 0
        self._filled = 0.0            # when the running fill ends
        self._free = 0.0              # when the last launch ended: the next one begins then if it was waiting

    def _seconds(self, cycles: float) -> float:
        return cycles / (1e6 * self.clock_mhz)

    def load(self, column: int) -> None:
        fill = self._seconds(float(self.table.lookup.fill_cycles[self._column, column]))
        self._filled = max(time.monotonic(), self._filled) + fill
        self._column = column

    def run(self, row: int, images: Sequence[np.ndarray], wait: bool) -> Launched:
        start, table = time.monotonic(), self.table
        logits = self.golden.logits(table.subnets[row].name, images)
        fill = max(0.0, self._filled - start)
        column = self._column if wait or not fill else 0
        cycles = table.launch_cycles(row, len(images), column)
        end = start + self._seconds(cycles) + (fill if wait else 0.0)
        while (left := end - time.monotonic()) > 0:
            if left > 2 * SPIN_S:
                time.sleep(left - SPIN_S)
            else:
                time.sleep(left / 2)
        hits = WORD * int(table.hits[row, column])
        subnet = table.subnets[row]
        total = WORD * sum(ob * ib * taps for ob, ib, taps in subnet.boxes.values()) + subnet.other_bytes
        return Launched(logits=logits, device_ms=cycles / (1e3 * self.clock_mhz), dram_bytes=total - hits,
                        pb_bytes=hits)

    def set_clock(self, mhz: float) -> float:
        if mhz <= 0:
            raise BadArgument(f"the clock must be positive, not {mhz:g}")
        self.clock_mhz = min(mhz, self.top_mhz)
        return self.clock_mhz

    def close(self) -> None:
        """Nothing to give back."""
