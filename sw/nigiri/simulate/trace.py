"""What a simulation did, query by query, and what it adds up to."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from nigiri.sched.subgraph import WORD, words
from nigiri.sched.table import LatencyTable
from nigiri.simulate.queries import Queries

__all__ = ["SimulationSummary", "Status", "Trace"]


class Status(IntEnum):
    """What became of a query."""

    WAITING = 0
    SERVED = 1
    REFUSED = 2


@dataclass(frozen=True, kw_only=True)
class SimulationSummary:
    """Shares are of all queries; accuracies in points.

    Parameters
    ----------
    attainment: answered by the deadline (SLO attainment).
    served_accuracy: mean accuracy of the SubNets of the queries that met their deadline; nan when none did.
    accuracy_met, latency_met: among those served, accuracy at least and service time at most as demanded.
    utilisation: share of the devices' time, from the first arrival to the last answer, in which they worked.
    """

    queries: int
    served: int
    refused: int
    unserved: int
    attainment: float
    served_accuracy: float
    accuracy_met: float
    latency_met: float
    mean_response_ms: float
    p99_response_ms: float
    mean_service_ms: float
    mean_batch: float
    queries_per_s: float
    utilisation: float
    cache_changes: int
    hit_bytes: float
    dram_bytes: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Columns by query: `status`, `start_s` and `end_s` (nan when not served), `subnet` (row, -1), `column` cached,
    `device`, `batch` (size of its launch) and `first` (the first query of its launch)."""

    queries: Queries
    table: LatencyTable
    devices: int
    status: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    subnet: np.ndarray
    column: np.ndarray
    device: np.ndarray
    batch: np.ndarray
    first: np.ndarray
    busy_s: float
    fill_words: int
    cache_changes: int

    def summary(self) -> SimulationSummary:
        """Everything together."""
        q, table, n = self.queries, self.table, len(self.queries)
        served = self.status == Status.SERVED
        good = served & (self.end_s <= q.deadline_s)
        response, service = 1e3 * (self.end_s - q.arrival_s)[served], 1e3 * (self.end_s - self.start_s)[served]
        accuracy = table.accuracies[self.subnet]
        span = float(self.end_s[served].max() - q.arrival_s[0]) if served.any() else 0.0
        net, col = self.subnet[self.first], self.column[self.first]
        size = np.array([words(s.boxes) for s in table.subnets])
        hits, needed = int(table.hits[net, col].sum()), int(size[net].sum())
        other = int(np.array([s.other_bytes for s in table.subnets])[self.subnet[served]].sum())

        def mean(x: np.ndarray) -> float:
            return float(x.mean()) if len(x) else float("nan")

        return SimulationSummary(
            queries=n, served=int(served.sum()), refused=int((self.status == Status.REFUSED).sum()),
            unserved=int((self.status == Status.WAITING).sum()), attainment=float(good.sum() / max(1, n)),
            served_accuracy=mean(accuracy[good]), accuracy_met=mean((accuracy >= q.accuracy)[served]),
            latency_met=mean((service <= q.latency_ms[served] * (1 + 1e-9)).astype(float)),
            mean_response_ms=mean(response), p99_response_ms=float(np.percentile(response, 99)) if len(response) else
            float("nan"), mean_service_ms=mean(service), mean_batch=mean(self.batch[self.first]),
            queries_per_s=served.sum() / span if span else 0.0,
            utilisation=self.busy_s / (span * self.devices) if span else 0.0, cache_changes=self.cache_changes,
            hit_bytes=hits / max(1, needed), dram_bytes=WORD * (needed - hits + self.fill_words) + other)

    def to_json(self) -> dict[str, Any]:
        """The summary; nan as None."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self.summary()).items()}

    def timeline(self, bin_s: float) -> dict[str, list[float | None]]:
        """By bins of `bin_s` of arrival: queries a second, attainment, and mean accuracy of those that met it."""
        q = self.queries
        if not len(q):
            return {"time_s": [], "queries_per_s": [], "attainment": [], "accuracy": []}
        bins = (q.arrival_s / bin_s).astype(np.int64)
        count = np.bincount(bins)
        good = (self.status == Status.SERVED) & (self.end_s <= q.deadline_s)
        met = np.bincount(bins, good)
        accuracy = np.bincount(bins, np.where(good, self.table.accuracies[self.subnet], 0.0))
        return {"time_s": (bin_s * np.arange(len(count))).tolist(), "queries_per_s": (count / bin_s).tolist(),
                "attainment": [float(m / c) if c else None for m, c in zip(met, count, strict=True)],
                "accuracy": [float(a / m) if m else None for a, m in zip(accuracy, met, strict=True)]}
