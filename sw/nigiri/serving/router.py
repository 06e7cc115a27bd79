"""Which of the idle devices gets the query at the head of the queue."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nigiri.sched.policy import choose
from nigiri.sched.query import Query, State
from nigiri.serving.errors import BadRequest
from nigiri.serving.replica import Replica

__all__ = ["ROUTERS", "LeastUsed", "Locality", "RoundRobin", "Router", "get_router"]


class Router(Protocol):
    def pick(self, query: Query, idle: Sequence[Replica], now: float) -> Replica:
        """One of `idle`, which is not empty."""
        ...


class RoundRobin:
    """One after the other."""

    def __init__(self) -> None:
        self._last = -1

    def pick(self, query: Query, idle: Sequence[Replica], now: float) -> Replica:
        chosen = next((r for r in idle if r.index > self._last), idle[0])
        self._last = chosen.index
        return chosen


class LeastUsed:
    """The one that has worked least."""

    def pick(self, query: Query, idle: Sequence[Replica], now: float) -> Replica:
        return min(idle, key=lambda r: (r.busy_s, r.index))


class Locality:
    """Where the cached SubGraph fits: the least time for the SubNet that the query's targets ask for, the rest of a
    running fill included; of equal ones that with most weight bytes from the cache, then the one idle longest."""

    def pick(self, query: Query, idle: Sequence[Replica], now: float) -> Replica:
        if len(idle) == 1:
            return idle[0]

        def cost(r: Replica) -> tuple[float, float, float]:
            goal = query.goal or ("strict_accuracy" if query.accuracy or query.latency_ms == float("inf")
                                  else "strict_latency")
            state = State(cached=r.column, fill_ms=r.fill_ms(now))
            row = choose(query, state, r.table, goal, "best").subnet
            time = r.slower * r.table.lookup.latency[r.column][row] + state.fill_ms
            return round(time, 4), -float(r.table.hits[row, r.column]), r.last_used
        return min(idle, key=cost)


ROUTERS: dict[str, Callable[[], Router]] = {"locality": Locality, "round-robin": RoundRobin, "least-used": LeastUsed}


def get_router(name: str) -> Router:
    """The router called `name`; raises BadRequest with those there are."""
    if name not in ROUTERS:
        raise BadRequest(f"unknown router {name!r}: choose one of {', '.join(ROUTERS)}")
    return ROUTERS[name]()
