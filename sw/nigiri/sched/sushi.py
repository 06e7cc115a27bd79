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
    * distance "saving": the one with which the last `period` queries would have cost least.  Cost is their cycles, and
      with a weight of `bytes_weight` the weight bytes they fetch, both relative to an empty cache.  What a change has
      to load counts as fetched, spread over `horizon` periods, so that a change that does not pay is not made.

    Parameters
    ----------
    goal: "strict_accuracy" or "strict_latency".
    period: Q, queries between two decisions.
    initial: column cached before the first query, 0 for the empty cache; None takes the state-unaware choice, what a
        fixed cache would hold.
    bytes_weight, horizon: of distance "saving".
    on_miss: "raise" an UnreachableAccuracy or UnreachableLatency, or serve the "best" there is.
    """

    def __init__(self, goal: Goal = "strict_accuracy", *, period: int = 8, distance: Distance = "vector",
                 initial: int | None = None, on_miss: OnMiss = "raise", bytes_weight: float = 0.02,
                 horizon: float = 3.0) -> None:
        check(goal, on_miss)
        if period < 1:
            raise SchedulerError(f"period must be at least 1 query, not {period}")
        if distance not in ("vector", "saving"):
            raise SchedulerError(f"distance must be 'vector' or 'saving', not {distance!r}")
        if bytes_weight < 0 or horizon <= 0:
            raise SchedulerError(f"bytes_weight must not be negative and horizon must be positive, not "
                                 f"{bytes_weight} and {horizon}")
        self.name = "sushi"
        self.goal: Goal = goal
        self.on_miss: OnMiss = on_miss
        self.period, self.distance, self.initial = period, distance, initial
        self.bytes_weight, self.horizon = bytes_weight, horizon
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
        fetched = nets - table.hits[recent].sum(axis=0) + load / self.horizon
        cost = cycles / cycles[0] + self.bytes_weight * fetched / nets
        return int(min(range(len(cost)), key=lambda j: (cost[j], j != cached)))
