"""What the scheduler refuses, as typed exceptions."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["SchedulerError", "TableError", "UnreachableAccuracy", "UnreachableLatency"]


class SchedulerError(NigiriError):
    """A setting of the scheduler that makes no sense; the message names it and what it must be."""


class TableError(NigiriError):
    """A latency table that cannot be used: wrong shape, wrong format, or made for something else."""


class UnreachableAccuracy(NigiriError):
    """No SubNet is as accurate as a query demands."""

    def __init__(self, wanted: float, subnet: str, best: float) -> None:
        super().__init__(f"no SubNet reaches {wanted:.2f} % accuracy: the best is {subnet!r} with {best:.2f} %; "
                         "ask for less, or serve the best with on_miss='best'")
        self.wanted, self.subnet, self.best = wanted, subnet, best


class UnreachableLatency(NigiriError):
    """No SubNet is as fast as a query demands, with the SubGraph that is cached now."""

    def __init__(self, wanted_ms: float, subnet: str, best_ms: float, cached: str) -> None:
        super().__init__(f"no SubNet answers within {wanted_ms:.3f} ms: the fastest is {subnet!r} with {best_ms:.3f} "
                         f"ms while the cache holds {cached!r}; allow more time, or serve the fastest with "
                         "on_miss='best'")
        self.wanted_ms, self.subnet, self.best_ms, self.cached = wanted_ms, subnet, best_ms, cached
