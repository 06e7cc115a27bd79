"""Routing: which of the idle devices gets the query at the head of the queue."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import choose
from nigiri.sched.query import Query, State
from nigiri.sched.table import LatencyTable

__all__ = ["ROUTERS", "LeastUsed", "Locality", "Place", "RoundRobin", "Router", "get_router"]


class Place(Protocol):
    """What a router may look at of a device.

    Attributes
    ----------
    index: which of the devices.  column: of the table, what is cached or being loaded.
    slower: by how much the clock is below the table's.
    busy_s, last_used: how long it has worked, and when its last launch ended, seconds.
    """

    index: int
    column: int
    busy_s: float
    last_used: float

    @property
    def slower(self) -> float: ...

    @property
    def table(self) -> LatencyTable: ...

    def fill_ms(self, now: float) -> float:
        """What a running fill still needs."""
        ...


P = TypeVar("P", bound=Place)


class Router(Protocol):
    def pick(self, query: Query, idle: Sequence[P], now: float) -> P:
        """One of `idle`, which is not empty."""
        ...


class RoundRobin:
    """One after the other."""

    def __init__(self) -> None:
        self._last = -1

    def pick(self, query: Query, idle: Sequence[P], now: float) -> P:
        following = [r for r in idle if r.index > self._last]
        chosen = min(following or idle, key=lambda r: r.index)
        self._last = chosen.index
        return chosen


class LeastUsed:
    """The one that has worked least."""

    def pick(self, query: Query, idle: Sequence[P], now: float) -> P:
        return min(idle, key=lambda r: (r.busy_s, r.index))


class Locality:
    """Where the cached SubGraph fits: the least time for the SubNet that the query's targets ask for, the rest of a
    running fill included; of equal ones that with most weight bytes from the cache, then the one idle longest."""

    def pick(self, query: Query, idle: Sequence[P], now: float) -> P:
        if len(idle) == 1:
            return idle[0]

        def cost(r: P) -> tuple[float, float, float, float]:
            goal = query.goal or ("strict_accuracy" if query.accuracy or query.latency_ms == float("inf")
                                  else "strict_latency")
            state = State(cached=r.column, fill_ms=r.fill_ms(now))
            row = choose(query, state, r.table, goal, "best").subnet
            time = r.slower * r.table.lookup.latency[r.column][row] + state.fill_ms
            worse = -r.table.subnets[row].accuracy if goal == "strict_latency" else 0.0
            return worse, round(time, 4), -float(r.table.hits[row, r.column]), r.last_used
        return min(idle, key=cost)


ROUTERS: dict[str, Callable[[], Router]] = {"locality": Locality, "round-robin": RoundRobin, "least-used": LeastUsed}


def get_router(name: str) -> Router:
    """The router called `name`; raises SchedulerError with those there are."""
    if name not in ROUTERS:
        raise SchedulerError(f"unknown router {name!r}: choose one of {', '.join(ROUTERS)}")
    return ROUTERS[name]()
