"""What a served stream adds up to."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nigiri.sched.server import Served
from nigiri.sched.table import LatencyTable

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Latencies in milliseconds, accuracies and shares in per cent, bytes over the whole stream.

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
    pb_bytes: int
    pb_hit: float
    cache_changes: int
    dram_bytes: dict[str, int]
    macs: int


def summarise(served: Sequence[Served], table: LatencyTable, labels: Sequence[int] | None = None) -> Summary:
    """Totals of at least one served query; `labels[image]` is the true class of an image."""
    service = np.array([s.service_ms for s in served])
    response = np.array([s.response_ms for s in served])
    accuracy = np.array([table.subnets[s.subnet].accuracy for s in served])
    kinds: Counter[str] = Counter()
    for s in served:
        kinds.update(s.execution.dram_bytes)
        kinds["fill"] += s.fill_bytes
    weights, cached = kinds["weights"], sum(s.execution.pb_bytes for s in served)
    computed = labels is not None and all(s.execution.label >= 0 for s in served)
    right = [s.execution.label == labels[s.query.image] for s in served] if computed and labels is not None else []
    return Summary(
        queries=len(served), mean_latency_ms=float(service.mean()), p99_latency_ms=float(np.percentile(service, 99)),
        mean_response_ms=float(response.mean()), p99_response_ms=float(np.percentile(response, 99)),
        served_accuracy=float(accuracy.mean()), top1=100 * float(np.mean(right)) if right else None,
        accuracy_met=100 * float(np.mean([a >= s.query.accuracy for a, s in zip(accuracy, served, strict=True)])),
        latency_met=100 * float(np.mean([s.service_ms <= s.query.latency_ms for s in served])),
        pb_bytes=cached, pb_hit=100 * cached / max(1, cached + weights),
        cache_changes=sum(a.cached != b.cached for a, b in pairwise(served)),
        dram_bytes={**kinds, "total": sum(kinds.values())}, macs=sum(table.subnets[s.subnet].macs for s in served))
