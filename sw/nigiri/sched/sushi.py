"""SushiSched: cache-aware choice of the SubNet per query, and of the SubGraph once every `period` queries."""
from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import Goal, OnMiss, check, choose_subnet, state_unaware
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.subgraph import words
from nigiri.sched.table import LatencyTable

__all__ = ["SushiSched"]

Distance = Literal["vector", "saving"]


class SushiSched:
    """The scheduler of SUSHI.

    Per query the SubNet is chosen from the latency table's column for the SubGraph cached *now*.  The vectors
    [K, C, R per layer] of the last `period` SubNets are averaged, and after every `period` queries the candidate
    SubGraph for the next ones is chosen:

    * distance "vector": the one nearest to the average, in the Euclidean norm.
    * distance "saving": the one that would have saved most on the last `period` queries; cycles first, and among
      those within `slack` of the most cycles, the one that leaves the fewest bytes to fetch.  What a change has to
      load counts as bytes to fetch, so that a change that does not pay for itself is not made.

    Parameters
    ----------
    goal: "strict_accuracy" or "strict_latency".
    period: Q, queries between two decisions.
    initial: column cached before the first query, 0 for the empty cache; None takes the state-unaware choice, what a
        fixed cache would hold.
    on_miss: "raise" an UnreachableAccuracy or UnreachableLatency, or serve the "best" there is.
    """

    def __init__(self, goal: Goal = "strict_accuracy", *, period: int = 8, distance: Distance = "vector",
                 initial: int | None = None, on_miss: OnMiss = "raise", slack: float = 0.002) -> None:
        check(goal, on_miss)
        if period < 1:
            raise SchedulerError(f"period must be at least 1 query, not {period}")
        if distance not in ("vector", "saving"):
            raise SchedulerError(f"distance must be 'vector' or 'saving', not {distance!r}")
        if not 0 <= slack < 1:
            raise SchedulerError(f"slack must be at least 0 and below 1, not {slack}")
        self.name = "sushi"
        self.goal: Goal = goal
        self.on_miss: OnMiss = on_miss
        self.period, self.distance, self.initial, self.slack = period, distance, initial, slack
        self._recent: deque[int] = deque(maxlen=period)
        self._served = 0

    def start(self, table: LatencyTable) -> int:
        initial = state_unaware(table) if self.initial is None else self.initial
        if not 0 <= initial < len(table.subgraphs):
            raise SchedulerError(f"initial must be between 0 and {len(table.subgraphs) - 1}, not {initial}")
        self._recent.clear()
        self._served = 0
        return initial

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        subnet = choose_subnet(query, state.cached, table, self.goal, self.on_miss)
        self._recent.append(subnet)
        self._served += 1
        if self._served % self.period:
            return Decision(subnet)
        best = self._nearest(table) if self.distance == "vector" else self._saving(state.cached, table)
        return Decision(subnet, best if best != state.cached else None)

    def average(self, table: LatencyTable) -> np.ndarray:
        """Mean vector of the last `period` SubNets served; float64 [3 x layers]."""
        return table.subnet_vectors[list(self._recent)].mean(axis=0)

    def _nearest(self, table: LatencyTable) -> int:
        return int(np.linalg.norm(table.subgraph_vectors - self.average(table), axis=1).argmin())

    def _saving(self, cached: int, table: LatencyTable) -> int:
        recent = list(self._recent)
        cycles = table.cycles[recent].sum(axis=0)
        nets = sum(words(table.subnets[i].boxes) for i in recent)
        load = np.array([0 if j == cached else words(c.boxes) for j, c in enumerate(table.subgraphs)])
        fetched = nets - table.hits[recent].sum(axis=0) + load
        close = np.flatnonzero(cycles <= cycles.min() * (1 + self.slack))
        return int(min(close, key=lambda j: (fetched[j], cycles[j], j != cached)))
