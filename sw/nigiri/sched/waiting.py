"""Queries that have arrived and wait: first come first served, or earliest deadline first."""
from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Literal

from nigiri.sched.errors import SchedulerError

__all__ = ["Order", "Waiting"]

Order = Literal["arrival", "deadline"]


class Waiting:
    """The queue over a stream whose arrivals are known: indices of queries, admitted as the clock moves on.

    arrivals, deadlines: seconds by query; arrivals ascend.  Queries of equal deadline keep their order.

    Raises
    ------
    SchedulerError: arrivals that do not ascend, or an unknown order.
    """

    def __init__(self, arrivals: Sequence[float], deadlines: Sequence[float], order: Order = "arrival") -> None:
        if order not in ("arrival", "deadline"):
            raise SchedulerError(f"order must be 'arrival' or 'deadline', not {order!r}")
        if any(a > b for a, b in pairwise(arrivals)):
            raise SchedulerError("queries must be sorted by their time of arrival: sort them")
        self._arrivals, self._deadlines = arrivals, deadlines
        self._next, self._count = 0, len(arrivals)
        # Deadlines in the order of arrival need no heap.
        self._heap: list[tuple[float, int]] | None = None
        if order == "deadline" and any(a > b for a, b in pairwise(deadlines)):
            self._heap = []
        self._queue: deque[int] = deque()

    def admit(self, clock_s: float) -> None:
        """Let in what has arrived by now."""
        n, count, arrivals = self._next, self._count, self._arrivals
        if self._heap is None:
            queue = self._queue
            while n < count and arrivals[n] <= clock_s:
                queue.append(n)
                n += 1
        else:
            while n < count and arrivals[n] <= clock_s:
                heappush(self._heap, (self._deadlines[n], n))
                n += 1
        self._next = n

    def give_back(self, index: int) -> None:
        """A query that was taken waits again, in its old place."""
        if self._heap is None:
            # Those that were given back before stand in front; there are few.
            place = next((k for k, n in enumerate(self._queue) if n > index), len(self._queue))
            self._queue.insert(place, index)
        else:
            heappush(self._heap, (self._deadlines[index], index))

    def __len__(self) -> int:
        return len(self._queue) if self._heap is None else len(self._heap)

    @property
    def head(self) -> int:
        """Index of the query that is next."""
        return self._queue[0] if self._heap is None else self._heap[0][1]

    def pop(self) -> int:
        """Take the query that is next."""
        return self._queue.popleft() if self._heap is None else heappop(self._heap)[1]

    def take(self, count: int) -> list[int]:
        """Indices of the next `count` queries, or as many as wait."""
        if self._heap is None:
            queue = self._queue
            if count == 1:
                return [queue.popleft()]
            return [queue.popleft() for _ in range(min(count, len(queue)))]
        return [heappop(self._heap)[1] for _ in range(min(count, len(self._heap)))]

    @property
    def next_arrival(self) -> float | None:
        """When the next query that is not yet here arrives; None when all have."""
        return self._arrivals[self._next] if self._next < self._count else None
