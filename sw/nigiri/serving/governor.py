"""The clock of each device: lower while what was promised holds, up at once when it does not.

Source: mu-Serve (USENIX ATC 2024), its controller of the frequency: multiplicative increase, additive decrease.
"""
from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nigiri.runtime.errors import BadArgument
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import DeadlineMissed, Overloaded, ServingError
from nigiri.serving.observer import Observer
from nigiri.serving.request import Answer, Targets

__all__ = ["Controller", "Governor"]


@dataclass(kw_only=True)
class Controller:
    """One frequency, as a share of the top one.

    target: share of queries that must be answered in time.
    up, down: factor of an increase, and step of a decrease.
    least: lowest share.  patience: intervals in time before a decrease.
    """

    target: float = 0.999
    up: float = 2.0
    down: float = 0.05
    least: float = 0.2
    patience: int = 1
    share: float = 1.0
    good: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.target <= 1 and self.up > 1 and 0 < self.down < 1 and 0 < self.least <= 1):
            raise BadArgument("the frequency controller needs a target in (0, 1], up over 1, down and least in (0, 1), "
                              f"not {self.target}, {self.up}, {self.down} and {self.least}")

    def step(self, in_time: int, late: int, utilisation: float) -> float:
        """The share for the next interval.

        utilisation: share of the interval in which the devices worked; near 1 the queue is about to grow, which counts
        as late, so that the clock is up before a promise is broken.
        """
        total = in_time + late
        if (total and in_time < self.target * total) or utilisation > 0.95:
            self.share, self.good = min(1.0, self.share * self.up), 0
        elif utilisation < 0.8:
            self.good += 1
            if self.good >= self.patience:
                self.share, self.good = max(self.least, self.share - self.down), 0
        return self.share


class Governor(Observer):
    """Runs a controller for all devices of a dispatcher, every `interval_s`."""

    def __init__(self, controller: Controller | None = None, interval_s: float = 0.5) -> None:
        self.controller, self.interval_s = controller or Controller(), interval_s
        self._in_time = self._late = 0

    def answered(self, answer: Answer, targets: Targets) -> None:
        self._in_time += answer.total_ms <= targets.deadline_ms and answer.device_ms <= targets.latency_ms

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        if isinstance(error, Overloaded | DeadlineMissed):
            self._late += count

    async def run(self, dispatcher: Dispatcher) -> None:
        """Until cancelled."""
        busy = {r.name: r.busy_s for r in dispatcher.replicas}
        while True:
            await asyncio.sleep(self.interval_s)
            up = [r for r in dispatcher.replicas if r.state == "up"]
            used = sum(r.busy_s - busy[r.name] for r in up) / max(1, len(up)) / self.interval_s
            busy = {r.name: r.busy_s for r in dispatcher.replicas}
            before = self.controller.share
            share = self.controller.step(self._in_time, self._late, used)
            self._in_time = self._late = 0
            if share == before:
                continue
            for r in up:
                if r.backend is not None:
                    mhz = await r.set_clock(share * r.backend.top_mhz)
                    dispatcher.observer.clock(r, mhz)
