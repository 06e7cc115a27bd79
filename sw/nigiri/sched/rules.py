"""Which SubGraph to cache next: the published rule and ours.

A rule sees every query that is served and is asked for a column once every period.  What it keeps is sums over table
rows, so that a decision costs a few vector operations of the length of the column list.
"""
from __future__ import annotations

from typing import Protocol

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.query import Goal, Query
from nigiri.sched.table import LatencyTable

__all__ = ["CacheRule", "ExpectedSaving", "NearestVector"]

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
        self._counts = [0] * len(nets)

    def see(self, row: int, query: Query, goal: Goal) -> None:
        self._counts[row] += 1

    def choose(self, cached: int) -> int:
        total = np.zeros_like(self._norms)
        for row, count in enumerate(self._counts):
            if count:
                total += count * self._products[row]
        best = int((self._norms - (2 / sum(self._counts)) * total).argmin())
        self._counts = [0] * len(self._counts)
        return best


class ExpectedSaving:
    """The candidate with which queries like the recent ones cost least, what the change costs included.

    Every query is counted under its target, not under the SubNet that happened to serve it: the cost of a column is
    what the queries would take if each had the SubNet that is best *with that column*.  Counts of older periods fade by
    `memory`.

    A change pays its fill once; the saving is expected to last for `horizon` queries.

    strict_accuracy: cost is cycles, and `bytes_weight` times the weight bytes fetched, both relative to the empty
    cache.  strict_latency: cost is accuracy lost, then cycles.

    Parameters
    ----------
    memory: weight of the periods before the last one, 0 (forget them) to below 1.
    horizon: queries.
    bytes_weight: relative saving of off-chip weight bytes that is worth as much as one of cycles.
    """

    def __init__(self, *, memory: float = 0.5, horizon: float = 24.0, bytes_weight: float = 0.02) -> None:
        if not 0 <= memory < 1 or horizon <= 0 or bytes_weight < 0:
            raise SchedulerError(f"memory must be at least 0 and below 1, horizon positive and bytes_weight not "
                                 f"negative, not {memory}, {horizon} and {bytes_weight}")
        self.memory, self.horizon, self.bytes_weight = memory, horizon, bytes_weight

    def start(self, table: LatencyTable) -> None:
        self._lookup = lookup = table.lookup
        per_query = lookup.rank_cycles[:, 0].mean()
        words = np.array([sum(ob * ib * taps for ob, ib, taps in s.boxes.values()) for s in table.subnets])
        fastest = np.array([[lookup.fastest(k, j) for j in range(table.cycles.shape[1])]
                            for k in range(len(lookup.accuracies) + 1)])
        fetched = (words[:, None] - table.hits)[fastest, np.arange(table.cycles.shape[1])]
        weight = self.bytes_weight / max(1.0, fetched[:, 0].mean())
        ranks = lookup.rank_cycles / per_query + weight * fetched
        self._grid = np.quantile(table.latencies_ms, np.linspace(0, 1, LEVELS))
        self._edges: list[float] = self._grid.tolist()
        self._costs = np.concatenate([ranks, self._latency_costs(table, per_query)])
        # A fill costs its cycles, and its bytes like those of a query.
        self._fills = lookup.fill_cycles / per_query + weight * lookup.fill_words
        self._regret = np.zeros(len(self._fills))
        self._first = len(ranks)
        self._counts = np.zeros(len(self._costs))
        self._fresh = [0] * len(self._costs)

    def _latency_costs(self, table: LatencyTable, per_query: float) -> np.ndarray:
        """[LEVELS, SubGraphs]: a point of accuracy counts as much as a whole mean query."""
        best = np.array([[self._lookup.most_accurate(x, j) for j in range(table.cycles.shape[1])] for x in self._grid])
        quick = np.array([self._lookup.quickest(j) for j in range(table.cycles.shape[1])])
        rows = np.where(best < 0, quick, best)
        columns = np.arange(table.cycles.shape[1])
        lost = table.accuracies.max() - table.accuracies[rows] + 10.0 * (best < 0)
        return lost + 0.1 * table.cycles[rows, columns] / per_query

    def see(self, row: int, query: Query, goal: Goal) -> None:
        if goal == "strict_accuracy":
            self._fresh[self._lookup.rank(query.accuracy)] += 1
        else:
            lo, hi = 0, LEVELS
            while lo < hi:                                         # the last level that is not above the target
                mid = (lo + hi) // 2
                lo, hi = (mid + 1, hi) if self._edges[mid] <= query.latency_ms else (lo, mid)
            self._fresh[self._first + max(0, lo - 1)] += 1

    def choose(self, cached: int) -> int:
        self._counts *= self.memory
        self._counts += self._fresh
        # What each column would have saved since the last change, but for what it would have lost before.
        period = np.dot(self._fresh, self._costs)
        self._regret += period[cached] - period
        np.maximum(self._regret, 0.0, out=self._regret)
        self._fresh = [0] * len(self._fresh)
        fills = self._fills[cached]
        cost = np.dot(self._counts, self._costs)
        cost *= self.horizon / self._counts.sum()
        expected = cost + fills
        best = int(expected.argmin())
        if expected[best] >= expected[cached]:
            late = np.where(cost < cost[cached], self._regret - fills, -1.0)
            best = int(late.argmax())
            if late[best] <= 0:
                return cached
        self._regret[:] = 0.0
        return best
