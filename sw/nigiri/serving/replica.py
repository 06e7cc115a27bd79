"""One device of the service: opened by a factory, run in a thread of its own, reset when it fails."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np

from nigiri.sched.policy import Policy
from nigiri.sched.table import LatencyTable
from nigiri.serving.backend import Backend, Launched
from nigiri.serving.worker import Worker

__all__ = ["Replica", "State"]

State = Literal["closed", "up", "down", "leaving"]


class Replica:
    """State that the dispatcher keeps of a device; all of it is touched in the event loop only.

    Parameters
    ----------
    name: in metrics and answers.
    factory: opens the device and puts the SuperNet on it; called in the replica's thread, again after every failure.
    policy: decides for this device; policies that keep what they have seen must not be shared.
    hang_s: a launch that takes so much longer than predicted has hung.

    Attributes
    ----------
    column: of the table, what is cached or being loaded.  filled_at: when its fill ends.
    served, launches, faults, changes: counts.  busy_s: time in launches.
    """

    def __init__(self, name: str, factory: Callable[[], Backend], policy: Policy, *, hang_s: float = 5.0) -> None:
        self.name, self.factory, self.policy, self.hang_s = name, factory, policy, hang_s
        self.index = 0
        self.state: State = "closed"
        self.busy = False
        self.backend: Backend | None = None
        self.column, self.filled_at, self.until = 0, 0.0, 0.0
        self.served = self.launches = self.faults = self.changes = 0
        self.busy_s = 0.0
        self.dram_bytes = self.pb_bytes = 0
        self.last_used = 0.0
        self.reason = ""
        self._worker = Worker(f"nigiri {name}")

    @property
    def idle(self) -> bool:
        return self.state == "up" and not self.busy

    @property
    def table(self) -> LatencyTable:
        """Of what it serves now."""
        assert self.backend is not None
        return self.backend.table

    @property
    def slower(self) -> float:
        """By how much the clock is below the table's."""
        assert self.backend is not None
        return self.table.clock_mhz / self.backend.clock_mhz

    @property
    def least_slower(self) -> float:
        """The same at its highest clock."""
        assert self.backend is not None
        return self.table.clock_mhz / self.backend.top_mhz

    def fill_ms(self, now: float) -> float:
        return max(0.0, 1e3 * (self.filled_at - now))

    def expected_s(self, row: int, count: int) -> float:
        """Time of a launch with nothing cached, at most."""
        return 1e-3 * self.slower * count * self.table.latency_ms(row, 0)

    async def open(self) -> None:
        """Open the device and load the policy's first SubGraph; raises what the factory raises."""
        if self._worker.stopped:
            self._worker = Worker(f"nigiri {self.name}")
        self.backend = await self._worker.call(self.factory)
        self.column, self.filled_at = 0, 0.0
        first = self.policy.start(self.table)
        if first:
            await self.load(first)
        self.state, self.busy, self.reason = "up", False, ""

    async def reopen(self) -> None:
        """Close the device and open it again, with a new SuperNet."""
        backend, self.backend = self.backend, None
        if backend is not None:
            await self._worker.call(_close, backend)
        await self.open()

    async def load(self, column: int) -> None:
        """Begin to load a SubGraph."""
        assert self.backend is not None
        cycles = float(self.table.lookup.fill_cycles[self.column, column])
        await self._worker.call(self.backend.load, column)
        self.filled_at = max(time.monotonic(), self.filled_at) + cycles / (1e6 * self.backend.clock_mhz)
        self.column = column
        self.changes += 1

    async def run(self, row: int, images: Sequence[np.ndarray], wait: bool) -> Launched:
        """One launch; raises what the device raises, or TimeoutError when it hangs."""
        assert self.backend is not None
        expected = self.expected_s(row, len(images))
        future = self._worker.call(self.backend.run, row, images, wait)
        launched: Launched = await asyncio.wait_for(future, self.hang_s + expected)
        return launched

    async def set_clock(self, mhz: float) -> float:
        """Between two launches."""
        assert self.backend is not None
        return float(await self._worker.call(self.backend.set_clock, mhz))

    def fail(self, reason: str) -> None:
        """Take it out.  Its thread may hang for ever, so it is left behind, and closes the device if it ever wakes."""
        self.state, self.busy, self.reason = "down", False, reason
        self.faults += 1
        left, backend = self._worker, self.backend
        self._worker, self.backend = Worker(f"nigiri {self.name}"), None
        if backend is not None:
            left.later(partial(_close, backend))
        left.stop()

    async def close(self) -> None:
        """Give the device back."""
        self.state = "closed"
        backend, self.backend = self.backend, None
        if backend is not None:
            await self._worker.call(_close, backend)
        self._worker.stop()


def _close(backend: Backend) -> None:
    try:
        backend.close()
    except Exception:  # a device that has failed may fail again
        pass
