"""The policy interface, the two ways to choose a SubNet, and the baselines without a scheduler for the cache."""
from __future__ import annotations

from bisect import bisect_left
from typing import Literal, Protocol, runtime_checkable

from nigiri.sched.errors import SchedulerError, UnreachableAccuracy, UnreachableLatency
from nigiri.sched.query import REFUSED, Decision, Goal, Query, State
from nigiri.sched.table import LatencyTable

__all__ = ["FixedCache", "Goal", "NoCache", "OnMiss", "Policy", "choose", "choose_subnet", "state_unaware"]

OnMiss = Literal["raise", "best", "refuse"]


@runtime_checkable
class Policy(Protocol):
    """Decides about the query at the head of the queue; all it may know is in the arguments and in what it served.

    The same object runs in the simulator, over the RTL and on a board.
    """

    @property
    def name(self) -> str:
        """In tables and plots."""
        ...

    def start(self, table: LatencyTable) -> int:
        """Forget everything served; the column that is to be cached before the first query."""
        ...

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision: ...


def check(goal: str, on_miss: str) -> None:
    """Raises SchedulerError for a goal or an on_miss that does not exist."""
    if goal not in ("strict_accuracy", "strict_latency"):
        raise SchedulerError(f"goal must be 'strict_accuracy' or 'strict_latency', not {goal!r}")
    if on_miss not in ("raise", "best", "refuse"):
        raise SchedulerError(f"on_miss must be 'raise', 'best' or 'refuse', not {on_miss!r}")


def choose(query: Query, state: State, table: LatencyTable, goal: Goal, on_miss: OnMiss) -> Decision:
    """The SubNet that serves a query with what is cached, by the query's own goal or else by `goal`.

    strict_accuracy: the fastest SubNet that is accurate enough.  strict_latency: the most accurate that is fast
    enough.  Ties go to the other quantity.  While a fill runs, each is tried behind it and beside it with the empty
    cache; where the target allows both, the way with less time for the query and the rest of the fill is taken.

    When nothing reaches the target, `on_miss` says what happens: "best" takes the most accurate, respectively the
    fastest, SubNet; "refuse" turns the query away.

    Raises
    ------
    UnreachableAccuracy, UnreachableLatency: nothing reaches the target and `on_miss` is "raise".
    """
    lookup, cached, fill = table.lookup, state.cached, state.fill_ms
    if (query.goal or goal) == "strict_accuracy":
        rank = bisect_left(lookup.accuracies, query.accuracy)
        row = lookup.by_rank[cached][rank]
        if rank == len(lookup.accuracies) and on_miss != "best":
            if on_miss == "refuse":
                return REFUSED
            raise UnreachableAccuracy(query.accuracy, table.subnets[row].name, table.subnets[row].accuracy)
        if fill:
            beside = lookup.by_rank[0][rank]
            if _beside(beside, cached, fill, table) < fill + lookup.latency[cached][row]:
                return Decision(beside, wait=False)
        return lookup.decisions[row]
    row, wait = lookup.most_accurate(query.latency_ms - fill, cached), True
    if fill:
        beside = lookup.most_accurate(query.latency_ms, 0)
        if beside >= 0 and (row < 0 or (table.subnets[beside].accuracy, -_beside(beside, cached, fill, table))
                            > (table.subnets[row].accuracy, -fill - lookup.latency[cached][row])):
            row, wait = beside, False
    if row >= 0:
        return lookup.decisions[row] if wait else Decision(row, wait=False)
    if on_miss == "refuse":
        return REFUSED
    row, beside = lookup.quickest(cached), lookup.quickest(0)
    wait = fill + lookup.latency[cached][row] <= lookup.latency[0][beside]
    if on_miss == "raise":
        best = min(fill + lookup.latency[cached][row], lookup.latency[0][beside])
        raise UnreachableLatency(query.latency_ms, table.subnets[row if wait else beside].name, best,
                                 table.subgraphs[cached if wait else 0].name)
    return Decision(row if wait else beside, wait=wait)


def _beside(row: int, column: int, fill_ms: float, table: LatencyTable) -> float:
    """Time of a query beside a fill, and of the fill's rest."""
    lookup = table.lookup
    return lookup.beside(row, column, fill_ms) + max(0.0, fill_ms - lookup.beside_ms[row])


def choose_subnet(query: Query, cached: int, table: LatencyTable, goal: Goal, on_miss: OnMiss) -> int:
    """The row that :func:`choose` takes while column `cached` is in the persistent buffer; -1 when it refuses."""
    return choose(query, State(cached=cached), table, goal, on_miss).subnet


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
        return choose(query, state, table, self.goal, self.on_miss)


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
        return choose(query, state, table, self.goal, self.on_miss)
