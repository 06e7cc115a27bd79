"""Policies that choose a SubNet and a batch from the slack of the most urgent query: SlackFit and its rivals.

All of them look at one number, the time until the deadline at the head of the queue, and serve from the table of
launches with the empty cache.  The queue is sorted by deadline.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from typing import Literal

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.query import REFUSED, Decision, Query, State
from nigiri.sched.table import LatencyTable

__all__ = ["Clipper", "Expired", "Infaas", "MaxAcc", "MaxBatch", "SlackFit", "SlackPolicy"]

Expired = Literal["refuse", "serve"]


class SlackPolicy(ABC):
    """What the policies of this module share.

    expired: a query that nothing the policy may choose can serve in time is refused, so that it does not make others
        late, or served with the launch of most images.  (The paper leaves this open; all policies here treat it alike.)
    """

    name = "slack"

    def __init__(self, *, expired: Expired = "refuse") -> None:
        if expired not in ("refuse", "serve"):
            raise SchedulerError(f"expired must be 'refuse' or 'serve', not {expired!r}")
        self.expired = expired

    def start(self, table: LatencyTable) -> int:
        self.batches = list(table.batches)
        self.ms: list[list[float]] = table.batch_ms.tolist()
        order = np.lexsort((-table.batch_ms[:, 0], table.accuracies))
        # From the least accurate to the most accurate SubNet; one that is slower and no more accurate is not used.
        self.rows = [int(i) for n, i in enumerate(order)
                     if (table.batch_ms[i, 0] < table.batch_ms[order[n + 1:], 0]).all()]
        return 0

    @abstractmethod
    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        """(row, images) for the head of the queue, its slack, and the number of queries that wait, the head included;
        None when all is too late."""

    def fallback(self, query: Query) -> tuple[int, int]:
        """(row, images) for a head that is late anyway: what serves most images a second, so that others are not."""
        return self.rows[0], self.batches[-1]

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        found = self.pick(query, 1e3 * (query.deadline_s - state.clock_s), state.queue + 1)
        if found is None:
            if self.expired == "refuse":
                return REFUSED
            found = self.fallback(query)
        return Decision(found[0], None, found[1])

    def alone(self, row: int, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        """The largest launch of one SubNet within a slack, of those that wait; None when one image is too late."""
        n = bisect_right(self.ms[row], slack_ms)
        return (row, min(self.batches[n - 1], waiting)) if n else None


class SlackFit(SlackPolicy):
    """Latency buckets; each holds the launch with most images that fits it, and then the most accurate SubNet.

    Source: SuperServe (NSDI 2025), section 4: buckets are evenly spaced between the smallest SubNet's latency of one
    image and the largest one's of the largest batch.

    Parameters
    ----------
    buckets: how many.
    fit: "bucket" decides as published.  "queue" counts only batches that the queue can fill, so that a short queue is
        served more accurately: on an accelerator that is as efficient for one image as for sixteen, the largest batch
        of a bucket is nearly always the smallest SubNet's.
    """

    def __init__(self, *, buckets: int = 64, fit: Literal["bucket", "queue"] = "bucket", expired: Expired = "refuse",
                 name: str = "SlackFit") -> None:
        super().__init__(expired=expired)
        if buckets < 2 or fit not in ("bucket", "queue"):
            raise SchedulerError(f"SlackFit needs at least 2 buckets and fit 'bucket' or 'queue', not {buckets} and "
                                 f"{fit!r}")
        self.name, self.buckets, self.fit = name, buckets, fit

    def start(self, table: LatencyTable) -> int:
        super().start(table)
        self.low, high = self.ms[self.rows[0]][0], self.ms[self.rows[-1]][-1]
        self.step = (high - self.low) / (self.buckets - 1) or 1.0
        self.choice: list[list[tuple[int, int]]] = []
        for n in range(self.buckets):
            limit = (self.low + n * self.step) * (1 + 1e-9)
            line = []
            for largest in range(len(self.batches)):
                fitting = [(b, k, row) for k, row in enumerate(self.rows) for b in range(largest + 1)
                           if self.ms[row][b] <= limit]
                b, _, row = max(fitting)
                line.append((row, self.batches[b]))
            self.choice.append(line)
        return 0

    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        if slack_ms < self.low:
            return None
        bucket = self.choice[min(self.buckets - 1, int((slack_ms - self.low) / self.step))]
        return bucket[-1] if self.fit == "bucket" else bucket[bisect_right(self.batches, waiting) - 1]


class MaxBatch(SlackPolicy):
    """The largest batch that the smallest SubNet serves in time, then the most accurate SubNet for it (appendix)."""

    name = "MaxBatch"

    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        n = bisect_right(self.ms[self.rows[0]], slack_ms)
        if not n:
            return None
        return next((row, self.batches[n - 1]) for row in reversed(self.rows) if self.ms[row][n - 1] <= slack_ms)


class MaxAcc(SlackPolicy):
    """The most accurate SubNet that serves one image in time, then its largest batch (appendix)."""

    name = "MaxAcc"

    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        for row in reversed(self.rows):
            n = bisect_right(self.ms[row], slack_ms)
            if n:
                return row, self.batches[n - 1]
        return None


class Clipper(SlackPolicy):
    """One fixed SubNet, with the largest batch that is in time: Clipper+, which stands for systems of one model."""

    def __init__(self, subnet: str, *, expired: Expired = "refuse") -> None:
        super().__init__(expired=expired)
        self.subnet, self.name = subnet, f"Clipper+ {subnet}"

    def start(self, table: LatencyTable) -> int:
        names = [s.name for s in table.subnets]
        if self.subnet not in names:
            raise SchedulerError(f"no SubNet {self.subnet!r} to serve alone: choose one of {', '.join(names)}")
        self.row = names.index(self.subnet)
        return super().start(table)

    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        return self.alone(self.row, slack_ms, waiting)

    def fallback(self, query: Query) -> tuple[int, int]:
        return self.row, self.batches[-1]


class Infaas(SlackPolicy):
    """The cheapest SubNet of at least the accuracy that a query demands; without a demand, always the cheapest.

    Source: INFaaS as SuperServe compares with it.
    """

    name = "INFaaS"

    def start(self, table: LatencyTable) -> int:
        super().start(table)
        self.accuracies = [table.subnets[r].accuracy for r in self.rows]
        return 0

    def _row(self, query: Query) -> int:
        return self.rows[min(bisect_left(self.accuracies, query.accuracy), len(self.rows) - 1)]

    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        return self.alone(self._row(query), slack_ms, waiting)

    def fallback(self, query: Query) -> tuple[int, int]:
        return self._row(query), self.batches[-1]
