"""Millions of queries as columns."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nigiri.sched.errors import SchedulerError
from nigiri.sched.query import Goal, Query

__all__ = ["LIMIT", "Queries"]

LIMIT = 100_000_000
"""Most queries of a run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Queries sorted by arrival.

    Parameters
    ----------
    arrival_s, deadline_s: float64 [n], seconds from the start.
    accuracy, latency_ms: float64 [n], targets as those of :class:`nigiri.sched.Query`.
    goal: of each query, where it has its own; None when no query has.

    Raises
    ------
    SchedulerError: columns of different lengths, arrivals that do not ascend or are not finite, or too many queries.
    """

    arrival_s: np.ndarray
    deadline_s: np.ndarray
    accuracy: np.ndarray
    latency_ms: np.ndarray
    goal: Sequence[Goal | None] | None = None

    def __post_init__(self) -> None:
        columns = (self.arrival_s, self.deadline_s, self.accuracy, self.latency_ms)
        lengths = {len(x) for x in (*columns, *([] if self.goal is None else [self.goal]))}
        if len(lengths) != 1:
            raise SchedulerError(f"all columns of queries must be equally long, not {sorted(lengths)}")
        if len(self) > LIMIT:
            raise SchedulerError(f"a run can have {LIMIT} queries, not {len(self)}: simulate a part of them")
        if not np.isfinite(self.arrival_s).all() or (np.diff(self.arrival_s) < 0).any():
            raise SchedulerError("times of arrival must be finite and ascend: sort the queries")

    def __len__(self) -> int:
        return len(self.arrival_s)

    @classmethod
    def from_arrivals(cls, arrival_s: np.ndarray, *, slo_ms: float = float("inf"), accuracy: float = 0.0,
                      latency_ms: float = float("inf")) -> Queries:
        """Equal queries: every answer is due `slo_ms` after the arrival."""
        arrival = np.asarray(arrival_s, dtype=np.float64)
        return cls(arrival_s=arrival, deadline_s=arrival + slo_ms / 1e3, accuracy=np.full(len(arrival), accuracy),
                   latency_ms=np.full(len(arrival), latency_ms))

    @classmethod
    def of(cls, queries: Sequence[Query]) -> Queries:
        """The queries of a stream; their images are left behind."""
        def column(values: list[float]) -> np.ndarray:
            return np.array(values, dtype=np.float64)

        return cls(arrival_s=column([q.arrival_s for q in queries]), deadline_s=column([q.deadline_s for q in queries]),
                   accuracy=column([q.accuracy for q in queries]), latency_ms=column([q.latency_ms for q in queries]),
                   goal=[q.goal for q in queries] if any(q.goal for q in queries) else None)

    @classmethod
    def from_columns(cls, columns: Mapping[str, np.ndarray]) -> Queries:
        """A recorded stream, as :func:`nigiri.traffic.load_stream` reads it."""
        return cls(arrival_s=columns["arrival_s"], deadline_s=columns["deadline_s"], accuracy=columns["accuracy"],
                   latency_ms=columns["latency_ms"])
