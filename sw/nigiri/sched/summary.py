"""What a served stream adds up to."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nigiri.sched.serve import Served
from nigiri.sched.table import LatencyTable

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Latencies in milliseconds, accuracies and shares in per cent, bytes over the whole stream.

    Means are over the queries that were served; `refused` counts the others.  `deadline_met` is the share of all
    queries that were answered by their deadline (SLO attainment).  `pb_hit` is the share of weight bytes from the
    persistent buffer, `norm_hit` the published ratio of vector norms.
    `served_accuracy` is the mean measured accuracy of the SubNets that served; `top1` is what the stream's own
    images gave (None when nothing was computed).  `dram_bytes` has the kind "fill" for cache changes, and "total".
    """

    queries: int
    mean_latency_ms: float
    p99_latency_ms: float
    mean_response_ms: float
    p99_response_ms: float
    served_accuracy: float
    top1: float | None
    accuracy_met: float
    latency_met: float
    deadline_met: float
    refused: int
    pb_bytes: int
    pb_hit: float
    norm_hit: float
    cache_changes: int
    dram_bytes: dict[str, int]
    macs: int


def summarise(results: Sequence[Served], table: LatencyTable, labels: Sequence[int] | None = None) -> Summary:
    """Totals of a stream of which at least one query was served; `labels[image]` is the true class of an image."""
    served = [s for s in results if not s.refused]
    service = np.array([s.service_ms for s in served])
    response = np.array([s.response_ms for s in served])
    accuracy = np.array([table.subnets[s.subnet].accuracy for s in served])
    kinds: Counter[str] = Counter(fill=0)
    launches = [s.execution for s in served if s.first]
    for e in launches:
        kinds.update(e.dram_bytes)
    weights, cached = kinds["weights"], sum(e.pb_bytes for e in launches)
    return Summary(
        queries=len(results), refused=len(results) - len(served),
        mean_latency_ms=float(service.mean()), p99_latency_ms=float(np.percentile(service, 99)),
        mean_response_ms=float(response.mean()), p99_response_ms=float(np.percentile(response, 99)),
        served_accuracy=float(accuracy.mean()), top1=_top1(served, labels),
        accuracy_met=100 * float(np.mean([a >= s.query.accuracy for a, s in zip(accuracy, served, strict=True)])),
        latency_met=100 * float(np.mean([s.service_ms <= s.query.latency_ms for s in served])),
        deadline_met=100 * sum(s.query.arrival_s + s.response_ms / 1e3 <= s.query.deadline_s
                               for s in served) / len(results),
        pb_bytes=cached, pb_hit=100 * cached / max(1, cached + weights),
        norm_hit=100 * float(np.mean([table.norm_hits[s.subnet, s.cached] for s in served])),
        cache_changes=sum(a.cached != b.cached for a, b in pairwise(served)),
        dram_bytes={**kinds, "total": sum(kinds.values())}, macs=sum(table.subnets[s.subnet].macs for s in served))


def _top1(served: Sequence[Served], labels: Sequence[int] | None) -> float | None:
    """Share of right answers; None when some were not computed."""
    right, batch = [], list[int]()
    for s in served:
        batch = list(s.execution.labels) if s.first else batch
        if labels is None or not batch:
            return None
        right.append(batch.pop(0) == labels[s.query.image])
    return 100 * float(np.mean(right))
