"""One number for how good a window of serving was: what was promised first, then power, then latency."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.simulate import Status, Trace
from nigiri.tune.errors import TuneError

__all__ = ["Cost", "Outcome"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured in one window.

    Parameters
    ----------
    violations: share of queries answered late, or by a SubNet less accurate than they asked for.
    mean_ms, p99_ms: from arrival to answer.
    power: of all devices together, as a share of that of every device there is at full clock.
    """

    violations: float
    mean_ms: float
    p99_ms: float
    power: float

    @classmethod
    def of(cls, trace: Trace, power: float) -> Outcome:
        """What a simulation says."""
        q, served = trace.queries, trace.status == Status.SERVED
        good = served & (trace.end_s <= q.deadline_s)
        good &= trace.table.accuracies[trace.subnet] >= q.accuracy - 1e-9
        response = 1e3 * (trace.end_s - q.arrival_s)[served]
        some = len(response) > 0
        return cls(violations=float(1 - good.mean()) if len(q) else 0.0, power=power,
                   mean_ms=float(response.mean()) if some else 0.0,
                   p99_ms=float(np.percentile(response, 99)) if some else 0.0)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Weights of the parts of the cost.  The reward is the cost with its sign changed.

    cost = violation * share of violations + latency * min(1, mean response / SLO) + power * power

    Parameters
    ----------
    slo_ms: when an answer is due.
    violation: so high that breaking a twentieth of all promises costs as much as the power of all devices.
    latency: small: among configurations that keep their promises, the quicker one.
    power: of all devices at full clock, costs 1.

    All weights are ours, 0 or more.
    """

    slo_ms: float
    violation: float = 20.0
    latency: float = 0.25
    power: float = 1.0

    def __post_init__(self) -> None:
        if self.slo_ms <= 0 or min(self.violation, self.latency, self.power) < 0:
            raise TuneError(f"slo_ms must be positive and no weight negative, not {self.slo_ms}, {self.violation}, "
                            f"{self.latency} and {self.power}")

    def __call__(self, o: Outcome) -> float:
        return (self.violation * o.violations + self.latency * min(1.0, o.mean_ms / self.slo_ms)
                + self.power * o.power)
