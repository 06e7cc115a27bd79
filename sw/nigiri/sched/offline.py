"""The best cache decisions with the whole stream known: what an online rule is measured against."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import Goal, OnMiss, choose
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.table import LatencyTable

__all__ = ["OfflineOptimum", "best_columns"]

LIMIT = 1 << 30
"""Most steps of the dynamic program: periods x SubGraphs x SubGraphs."""


def best_columns(queries: Sequence[Query], table: LatencyTable, period: int, *, initial: int | None = None,
                 goal: Goal = "strict_accuracy") -> tuple[list[int], float]:
    """(column for each period of queries, total cost) with the least total cost, by dynamic programming.

    Cost is cycles, those of every fill included in full (a device that never rests): exact for strict_accuracy.  For
    strict_latency it is accuracy lost, in points; what a fill costs is estimated by what queries beside it would lose.

    Raises
    ------
    SchedulerError: a period below 1, no queries, queries of another goal, or a problem of more than 2^30 steps.
    """
    count, columns = len(queries), len(table.subgraphs)
    if period < 1 or not count:
        raise SchedulerError(f"the offline optimum needs queries and a period of at least 1, not {count} and {period}")
    periods = -(-count // period)
    if periods * columns ** 2 > LIMIT:
        raise SchedulerError(f"the offline optimum over {periods} periods and {columns} SubGraphs is too large: take "
                             f"fewer queries or SubGraphs")
    if any(q.goal not in (None, goal) for q in queries):
        raise SchedulerError(f"the offline optimum needs queries of one goal, {goal}: split the stream")
    lookup = table.lookup
    cost = np.zeros((periods, columns))
    every = np.arange(columns)
    for n, q in enumerate(queries):
        if goal == "strict_accuracy":
            cost[n // period] += lookup.rank_cycles[bisect_left(lookup.accuracies, q.accuracy)]
        else:
            rows = [lookup.most_accurate(q.latency_ms, j) for j in range(columns)]
            rows = [r if r >= 0 else lookup.quickest(j) for j, r in enumerate(rows)]
            cost[n // period] += table.accuracies.max() - table.accuracies[rows]
    fills = lookup.fill_cycles.astype(np.float64)
    if goal == "strict_latency":
        # Queries beside a fill: as many as fit it, each served as with the empty cache.
        beside = cost[:, :1].mean() / period - cost.mean(axis=0) / period
        fills = fills / table.cycles.mean() * np.maximum(0.0, beside)[None, :]
    best = cost[0] + (fills[initial] if initial is not None else 0.0)
    came = np.zeros((periods, columns), np.int64)
    for p in range(1, periods):
        total = best[:, None] + fills
        came[p] = total.argmin(axis=0)
        best = total[came[p], every] + cost[p]
    column = int(best.argmin())
    out = [column]
    for p in range(periods - 1, 0, -1):
        column = int(came[p, column])
        out.append(column)
    return out[::-1], float(best.min())


class OfflineOptimum:
    """A policy that follows :func:`best_columns` of a stream it was told: no online policy, a reference.

    Its first column is there before the stream begins, as that of every policy is.
    """

    def __init__(self, queries: Sequence[Query], goal: Goal = "strict_accuracy", *, period: int = 8,
                 on_miss: OnMiss = "raise") -> None:
        self.name, self.goal, self.period, self.on_miss = "optimum", goal, period, on_miss
        self._queries = queries
        self._served = 0
        self._plan: list[int] = []

    def start(self, table: LatencyTable) -> int:
        self._plan, self._served = best_columns(self._queries, table, self.period, goal=self.goal)[0], 0
        return self._plan[0]

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        decision = choose(query, state, table, self.goal, self.on_miss)
        self._served += 1
        following = self._plan[min(self._served // self.period, len(self._plan) - 1)]
        return decision if following == state.cached else decision._replace(load=following)
