"""Which SubGraph to cache next: the published rule and ours.

A rule sees every query that is served and is asked for a column once every period.  What it keeps is sums over table
rows, so that a decision costs a few vector operations of the length of the column list.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.query import Goal, Query
from nigiri.sched.table import LatencyTable

__all__ = ["CacheRule", "ExpectedSaving", "NearestVector"]

SINGLE = np.float32
"""Sums over some hundred queries are far more exact than the savings that they tell apart."""
LEVELS = 64
"""Steps in which demanded latencies are counted."""


class CacheRule(Protocol):
    """Chooses the SubGraph for the next queries."""

    def start(self, table: LatencyTable) -> None:
        """Forget everything; `table` is the one that later calls speak of."""
        ...

    def see(self, row: int, query: Query, goal: Goal) -> None:
        """A query was served by the SubNet `row`."""
        ...

    def choose(self, cached: int) -> int:
        """The column for the next queries, once a period."""
        ...


class NearestVector:
    """The candidate nearest to the average of the SubNets served in the last period, in the Euclidean norm.

    Source: SUSHI (MLSys 2023), SushiSched.  Vectors are [K, C] of every layer as published, with the kernel as a third
    number when `kernels`.  |g - a|^2 is |g|^2 - 2 g.a + |a|^2: the products of all candidates with all SubNets are
    worked out once.
    """

    def __init__(self, *, kernels: bool = True) -> None:
        self.kernels = kernels

    def start(self, table: LatencyTable) -> None:
        graphs, nets = table.subgraph_vectors, table.subnet_vectors
        if not self.kernels:
            keep = np.arange(graphs.shape[1]) % 3 < 2
            graphs, nets = graphs[:, keep], nets[:, keep]
        self._norms = (graphs ** 2).sum(axis=1)
        self._products = list(nets @ graphs.T)
        self._sum, self._count = np.zeros_like(self._norms), 0

    def see(self, row: int, query: Query, goal: Goal) -> None:
        self._sum += self._products[row]
        self._count += 1

    def choose(self, cached: int) -> int:
        self._sum *= -2 / self._count
        self._sum += self._norms
        best = int(self._sum.argmin())
        self._sum.fill(0.0)
        self._count = 0
        return best


class ExpectedSaving:
    """The candidate with which queries like the recent ones cost least, what the change costs included.

    Every query is counted under its target, not under the SubNet that happened to serve it: the cost of a column is
    what the queries would take if each had the SubNet that is best *with that column*.  Counts of older periods fade by
    `memory`.

    A change pays its fill once.  It is made when the saving of queries like the last ones, over `horizon` queries, is
    larger; or when it would have saved as much over a long time (periods fade by `long_memory`), so that a small saving
    that lasts is taken too.

    strict_accuracy: cost is cycles, and `bytes_weight` times the weight bytes fetched, both relative to the empty
    cache.  strict_latency: cost is accuracy lost, then cycles.

    Parameters
    ----------
    memory, long_memory: weight of the periods before the last one, 0 (forget them) to below 1.
    horizon: queries.
    bytes_weight: relative saving of off-chip weight bytes that is worth as much as one of cycles.
    """

    def __init__(self, *, memory: float = 0.5, long_memory: float = 0.97, horizon: float = 24.0,
                 bytes_weight: float = 0.02) -> None:
        if not 0 <= memory < 1 or not 0 <= long_memory < 1 or horizon <= 0 or bytes_weight < 0:
            raise SchedulerError(f"memory and long_memory must be at least 0 and below 1, horizon positive and "
                                 f"bytes_weight not negative, not {memory}, {long_memory}, {horizon} and "
                                 f"{bytes_weight}")
        self.memory, self.horizon, self.bytes_weight = memory, horizon, bytes_weight
        self.long_memory = long_memory

    def start(self, table: LatencyTable) -> None:
        self._lookup = lookup = table.lookup
        per_query = lookup.rank_cycles[:, 0].mean()
        words = np.array([sum(ob * ib * taps for ob, ib, taps in s.boxes.values()) for s in table.subnets])
        fetched = (words[:, None] - table.hits)[lookup.rank_rows, np.arange(table.cycles.shape[1])]
        weight = self.bytes_weight / max(1.0, fetched[:, 0].mean())
        ranks = lookup.rank_cycles / per_query + weight * fetched
        self._grid = np.quantile(table.latencies_ms, np.linspace(0, 1, LEVELS))
        self._edges: list[float] = self._grid.tolist()
        # Everything twice, side by side: for a short and for a long time.  Few long vectors cost less than many short.
        self._costs = list(np.tile(np.concatenate([ranks, self._latency_costs(table, per_query)]), 2).astype(SINGLE))
        # A fill costs its cycles, and its bytes like those of a query.
        fills = lookup.fill_cycles.astype(np.float64) / per_query + weight * lookup.fill_words
        self._fills = list(np.tile(fills, 2).astype(SINGLE))
        self._first = len(ranks)
        columns = len(fills)
        # Cost by column of the last period, and of all periods faded.
        self._period, self._totals, self._work = (np.zeros(2 * columns, SINGLE) for _ in range(3))
        self._fade = np.repeat(np.array([self.memory, self.long_memory], SINGLE), columns)
        self._scale = np.ones(2 * columns, SINGLE)
        self._soon, self._late, self._short = self._work[:columns], self._work[columns:], self._totals[:columns]
        self._fresh, self._weight = 0, 0.0

    def _latency_costs(self, table: LatencyTable, per_query: float) -> np.ndarray:
        """[LEVELS, SubGraphs]: a point of accuracy counts as much as a whole mean query."""
        best = self._lookup.most_accurate_rows(self._grid)
        quick = np.array([self._lookup.quickest(j) for j in range(table.cycles.shape[1])])
        rows = np.where(best < 0, quick, best)
        columns = np.arange(table.cycles.shape[1])
        lost = table.accuracies.max() - table.accuracies[rows] + 10.0 * (best < 0)
        return lost + 0.1 * table.cycles[rows, columns] / per_query

    def see(self, row: int, query: Query, goal: Goal) -> None:
        if goal == "strict_accuracy":
            self._period += self._costs[bisect_left(self._lookup.accuracies, query.accuracy)]
        else:
            # The last level that is not above the target.
            level = bisect_right(self._edges, query.latency_ms) - 1
            self._period += self._costs[self._first + max(0, level)]
        self._fresh += 1

    def choose(self, cached: int) -> int:
        totals, soon, late = self._totals, self._soon, self._late
        totals *= self._fade
        totals += self._period
        self._period.fill(0.0)
        weight = self.memory * self._weight + self._fresh
        self._fresh = 0
        if abs(weight - self._weight) > 1e-6 * weight:
            self._scale[:len(soon)] = self.horizon / weight
        self._weight = weight
        np.multiply(totals, self._scale, out=self._work)
        self._work += self._fills[cached]
        best = int(soon.argmin())
        if best != cached and soon[best] < soon[cached]:
            return best
        # What pays in the long run must not cost more now.
        best = int(late.argmin())
        if best != cached and late[best] < late[cached] and self._short[best] < self._short[cached]:
            return best
        return cached
