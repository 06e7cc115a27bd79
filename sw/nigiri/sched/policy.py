"""The policy interface, the two ways to choose a SubNet, and the baselines without a scheduler for the cache."""
from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from nigiri.sched.errors import SchedulerError, UnreachableAccuracy, UnreachableLatency
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.table import LatencyTable

__all__ = ["FixedCache", "Goal", "NoCache", "OnMiss", "Policy", "choose_subnet", "state_unaware"]

Goal = Literal["strict_accuracy", "strict_latency"]
OnMiss = Literal["raise", "best"]


class Policy(Protocol):
    """Decides one query at a time; everything it may know is in the arguments and in what it served before."""

    name: str

    def start(self, table: LatencyTable) -> int:
        """Forget everything served; the column that is to be cached before the first query."""
        ...

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision: ...


def check(goal: str, on_miss: str) -> None:
    """Raises SchedulerError for a goal or an on_miss that does not exist."""
    if goal not in ("strict_accuracy", "strict_latency"):
        raise SchedulerError(f"goal must be 'strict_accuracy' or 'strict_latency', not {goal!r}")
    if on_miss not in ("raise", "best"):
        raise SchedulerError(f"on_miss must be 'raise' or 'best', not {on_miss!r}")


def choose_subnet(query: Query, cached: int, table: LatencyTable, goal: Goal, on_miss: OnMiss) -> int:
    """The row that serves a query while column `cached` is in the persistent buffer.

    strict_accuracy: the fastest SubNet that is accurate enough.  strict_latency: the most accurate that is fast
    enough.  Ties go to the other quantity.  When there is none, `on_miss="best"` takes the most accurate,
    respectively the fastest, SubNet.

    Raises
    ------
    UnreachableAccuracy, UnreachableLatency: nothing reaches the target and `on_miss` is "raise".
    """
    accuracy, latency = table.accuracies, table.latencies_ms[:, cached]
    if goal == "strict_accuracy":
        feasible = np.flatnonzero(accuracy >= query.accuracy)
        if len(feasible):
            return int(min(feasible, key=lambda i: (latency[i], -accuracy[i])))
        best = int(accuracy.argmax())
        if on_miss == "raise":
            raise UnreachableAccuracy(query.accuracy, table.subnets[best].name, float(accuracy[best]))
        return best
    feasible = np.flatnonzero(latency <= query.latency_ms)
    if len(feasible):
        return int(max(feasible, key=lambda i: (accuracy[i], -latency[i])))
    best = int(latency.argmin())
    if on_miss == "raise":
        raise UnreachableLatency(query.latency_ms, table.subnets[best].name, float(latency[best]),
                                 table.subgraphs[cached].name)
    return best


def state_unaware(table: LatencyTable) -> int:
    """A column chosen without looking at queries: the SubGraph that serves the middle SubNet best."""
    middle = int(table.accuracies.argsort()[len(table.subnets) // 2])
    hits = table.hits[middle]
    return int(min(range(len(table.subgraphs)), key=lambda j: (table.cycles[middle, j], -hits[j])))


class NoCache:
    """SubNets chosen as SushiSched does, but nothing is ever cached."""

    def __init__(self, goal: Goal = "strict_accuracy", *, on_miss: OnMiss = "raise") -> None:
        check(goal, on_miss)
        self.name, self.goal, self.on_miss = "none", goal, on_miss

    def start(self, table: LatencyTable) -> int:
        return 0

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        return Decision(choose_subnet(query, state.cached, table, self.goal, self.on_miss))


class FixedCache:
    """SubNets chosen as SushiSched does over one SubGraph, loaded before the first query and never changed.

    `column` names it; None takes the state-unaware choice.
    """

    def __init__(self, goal: Goal = "strict_accuracy", *, column: int | None = None, on_miss: OnMiss = "raise") -> None:
        check(goal, on_miss)
        self.name, self.goal, self.column, self.on_miss = "fixed", goal, column, on_miss

    def start(self, table: LatencyTable) -> int:
        column = state_unaware(table) if self.column is None else self.column
        if not 0 <= column < len(table.subgraphs):
            raise SchedulerError(f"column must be between 0 and {len(table.subgraphs) - 1}, not {column}")
        return column

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        return Decision(choose_subnet(query, state.cached, table, self.goal, self.on_miss))
