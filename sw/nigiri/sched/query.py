"""Queries, what a policy may look at, and what it decides."""
from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["REFUSED", "Decision", "Goal", "Query", "State"]

Goal = Literal["strict_accuracy", "strict_latency"]
INFINITY = float("inf")


class Query(NamedTuple):
    """One image to classify.

    Parameters
    ----------
    accuracy: demanded accuracy of the SubNet, per cent; 0 demands nothing.
    latency_ms: demanded service time, milliseconds; infinity demands nothing.
    arrival_s: when it arrives, seconds from the start of the stream.
    image: index of the image to classify.
    deadline_s: when its answer is due, seconds from the start of the stream; infinity for no deadline.
    goal: which of the two targets is strict for this query; None for the policy's own.
    """

    accuracy: float = 0.0
    latency_ms: float = INFINITY
    arrival_s: float = 0.0
    image: int = 0
    deadline_s: float = INFINITY
    goal: Goal | None = None


class State(NamedTuple):
    """What a policy sees beside the query.

    Parameters
    ----------
    cached: column of the latency table that the persistent buffer holds, or will hold when its fill has ended.
    served: queries served so far.
    queue: queries that have arrived and wait behind this one.
    clock_s: time now, seconds from the start of the stream.
    fill_ms: what the fill of `cached` still needs, milliseconds; 0 when it is there.
    device: which device is free.
    devices: how many work now; 0 when that is not known.
    """

    cached: int = 0
    served: int = 0
    queue: int = 0
    clock_s: float = 0.0
    fill_ms: float = 0.0
    device: int = 0
    devices: int = 0


class Decision(NamedTuple):
    """What happens to the query at the head of the queue.

    Parameters
    ----------
    subnet: row of the table that serves it; -1 refuses the query.
    load: column of the SubGraph to load after it; None changes nothing.
    batch: how many queries of the queue, this one included, are served in one launch; at most those that wait.
    wait: whether a running fill ends first; else the query runs beside it, and nothing of the new SubGraph counts.
    """

    subnet: int
    load: int | None = None
    batch: int = 1
    wait: bool = True

    @property
    def refused(self) -> bool:
        """Whether the query is turned away."""
        return self.subnet < 0


REFUSED = Decision(-1)
"""The query is not served: nothing can meet its target."""
