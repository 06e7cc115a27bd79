"""A configuration served for one window of a workload, in the discrete-event simulator."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nigiri.sched.policy import OnMiss
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.stream import StreamSettings, query_stream
from nigiri.sched.sushi import Distance, SushiSched
from nigiri.sched.table import LatencyTable
from nigiri.simulate import Queries, simulate
from nigiri.traffic import gamma
from nigiri.tune.errors import TuneError
from nigiri.tune.reward import Cost, Outcome
from nigiri.tune.space import Space

__all__ = ["BatchedSushi", "Environment"]


class BatchedSushi(SushiSched):
    """SushiSched whose launches take up to `batch` queries of the queue, all with the SubNet that its head needs.

    A launch of several images reads its weights once and has nothing from the cache; a single image has.
    """

    def __init__(self, batch: int, period: int, *, distance: Distance = "vector", on_miss: OnMiss = "best") -> None:
        super().__init__(period=period, distance=distance, on_miss=on_miss, name=f"batches of {batch}")
        self.batch = batch

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        return super().decide(query, state, table)._replace(batch=self.batch)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Equal devices behind one queue, with the axes of :func:`nigiri.tune.serving_space`.

    Parameters
    ----------
    table: of the SubNets; its clock is the top one.  Another clock changes the time of a cycle and not their number,
        which is right for what computes and pessimistic for what waits for the memory.
    devices: how many there are; those that a configuration leaves off draw nothing.
    static: share of a device's power that does not depend on its clock.  Assumed; no board was measured.
    queries: of a window.
    cv2: squared coefficient of variation of the gaps between arrivals: 1 is Poisson, more is bursty.
    phase: queries after which another accuracy is demanded.

    Raises
    ------
    TuneError: a space without one of the axes or with more devices than there are, or a number out of range.
    """

    table: LatencyTable
    space: Space
    cost: Cost
    devices: int = 8
    static: float = 0.5
    queries: int = 400
    cv2: float = 4.0
    phase: int = 100
    distance: Distance = "vector"

    def __post_init__(self) -> None:
        axes = {a.name: a.values for a in self.space.axes}
        missing = {"batch", "timeout_ms", "devices", "period", "clock"} - set(axes)
        if missing:
            raise TuneError(f"the space has no axis {', '.join(sorted(missing))}")
        if not 1 <= axes["devices"][0] <= axes["devices"][-1] <= self.devices:
            raise TuneError(f"devices of the space must be between 1 and {self.devices}, not {axes['devices']}")
        if not 0 < axes["clock"][0] <= axes["clock"][-1] <= 1:
            raise TuneError(f"clocks must be shares above 0 and at most 1, not {axes['clock']}")
        if not 0 <= self.static <= 1 or self.queries < 1:
            raise TuneError(f"static must be between 0 and 1 and queries at least 1, not {self.static} and "
                            f"{self.queries}")

    @cached_property
    def _tables(self) -> dict[float, LatencyTable]:
        """The table at each clock."""
        shares = next(a.values for a in self.space.axes if a.name == "clock")
        return {s: replace(self.table, clock_mhz=self.table.clock_mhz * s) for s in shares}

    def power(self, point: Mapping[str, float]) -> float:
        """Of a configuration, as a share of all devices at full clock."""
        return point["devices"] / self.devices * (self.static + (1 - self.static) * point["clock"])

    def window(self, rate: float, seed: int) -> Queries:
        """One window of arrivals at a mean `rate` a second; the same seed gives the same window."""
        if rate <= 0:
            raise TuneError(f"a rate must be positive, not {rate} queries/s")
        stream = query_stream(self.table, StreamSettings(queries=self.queries, phase=self.phase, noise=0.0, seed=seed,
                                                         levels=len(self.table.subnets)))
        at = gamma(rate, self.cv2, 2 * self.queries / rate + 1e-9, seed)[:self.queries]
        # Twice the mean time is enough for all but a few windows; those are as much shorter.
        n = len(at)
        return Queries(arrival_s=at, deadline_s=at + self.cost.slo_ms / 1e3, latency_ms=np.full(n, np.inf),
                       accuracy=np.array([q.accuracy for q in stream[:n]]))

    def serve(self, index: int, window: Queries) -> Outcome:
        """What configuration `index` does with a window."""
        p = self.space.points[index]
        batch, period = int(p["batch"]), int(p["period"])
        trace = simulate(window, lambda: BatchedSushi(batch, period, distance=self.distance),
                         self._tables[p["clock"]], devices=int(p["devices"]), hold=batch,
                         hold_s=p["timeout_ms"] / 1e3)
        return Outcome.of(trace, self.power(p))

    def measure(self, index: int, rate: float, seed: int) -> tuple[float, Outcome]:
        """(reward, outcome) of one window."""
        outcome = self.serve(index, self.window(rate, seed))
        return -self.cost(outcome), outcome
