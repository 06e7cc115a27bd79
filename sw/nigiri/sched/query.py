"""Queries, what a policy may look at, and what it decides."""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Decision", "Query", "State"]


@dataclass(frozen=True, kw_only=True)
class Query:
    """One image to classify.

    Parameters
    ----------
    accuracy: demanded accuracy of the SubNet, per cent; 0 demands nothing.
    latency_ms: demanded service time, milliseconds; infinity demands nothing.
    arrival_s: when it arrives, seconds from the start of the stream.
    image: index of the image to classify.
    """

    accuracy: float = 0.0
    latency_ms: float = float("inf")
    arrival_s: float = 0.0
    image: int = 0


@dataclass(frozen=True, kw_only=True)
class State:
    """What a policy sees beside the query.

    Parameters
    ----------
    cached: column of the latency table that the persistent buffer holds.
    served: queries served so far.
    queue: queries that have arrived and wait.
    clock_s: time now, seconds from the start of the stream.
    """

    cached: int = 0
    served: int = 0
    queue: int = 0
    clock_s: float = 0.0


@dataclass(frozen=True)
class Decision:
    """The SubNet (row of the table) that serves the query, and the SubGraph (column) to load after it, if any."""

    subnet: int
    load: int | None = None
