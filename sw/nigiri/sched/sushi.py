"""SushiSched: cache-aware choice of the SubNet per query, and of the SubGraph once every `period` queries."""
from __future__ import annotations

from typing import Literal

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import Goal, OnMiss, check, choose, state_unaware
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.rules import CacheRule, ExpectedSaving, NearestVector
from nigiri.sched.table import LatencyTable

__all__ = ["Distance", "SushiSched"]

Distance = Literal["vector", "saving"]


class SushiSched:
    """The scheduler of SUSHI (MLSys 2023).

    Per query the SubNet is chosen from the latency table's column for the SubGraph cached *now*.  After every `period`
    queries a rule chooses the SubGraph for the next ones.

    Parameters
    ----------
    goal: "strict_accuracy" or "strict_latency", for queries that name none.
    period: Q, queries between two decisions.
    distance: the rule: "vector" is the published :class:`NearestVector`, "saving" our :class:`ExpectedSaving`; or any
        object with their methods.
    initial: column cached before the first query, 0 for the empty cache; None takes the state-unaware choice, what a
        fixed cache would hold.
    on_miss: "raise" an UnreachableAccuracy or UnreachableLatency, serve the "best" there is, or "refuse".
    """

    def __init__(self, goal: Goal = "strict_accuracy", *, period: int = 8, distance: Distance | CacheRule = "vector",
                 initial: int | None = None, on_miss: OnMiss = "raise", name: str = "sushi") -> None:
        check(goal, on_miss)
        if period < 1:
            raise SchedulerError(f"period must be at least 1 query, not {period}")
        if isinstance(distance, str) and distance not in ("vector", "saving"):
            raise SchedulerError(f"distance must be 'vector' or 'saving', not {distance!r}")
        self.name = name
        self.goal: Goal = goal
        self.on_miss: OnMiss = on_miss
        self.period, self.initial = period, initial
        self.rule: CacheRule = (distance if not isinstance(distance, str) else
                                NearestVector() if distance == "vector" else ExpectedSaving())
        self._served = 0

    def start(self, table: LatencyTable) -> int:
        initial = state_unaware(table) if self.initial is None else self.initial
        if not 0 <= initial < len(table.subgraphs):
            raise SchedulerError(f"initial must be between 0 and {len(table.subgraphs) - 1}, not {initial}")
        self.rule.start(table)
        self._served = 0
        return initial

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        decision = choose(query, state, table, self.goal, self.on_miss)
        if decision.subnet < 0:
            return decision
        self.rule.see(decision.subnet, query, query.goal or self.goal)
        self._served += 1
        if self._served % self.period:
            return decision
        best = self.rule.choose(state.cached)
        return decision if best == state.cached else decision._replace(load=best)
