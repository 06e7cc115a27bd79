"""What a client asks for beside its images, and what it gets beside the logits."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nigiri.sched.query import Goal
from nigiri.serving.errors import BadRequest

__all__ = ["PARAMETERS", "Answer", "Targets"]

INFINITY = math.inf
LONGEST_MS = 3_600_000.0
PARAMETERS = ("accuracy", "latency_ms", "deadline_ms", "goal", "subnet")
"""Names of the request parameters; others are ignored, as the protocol wants it."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Targets of a request.

    Parameters
    ----------
    accuracy: demanded accuracy of the SubNet, per cent; 0 demands nothing.
    latency_ms: demanded time on the device, milliseconds.
    deadline_ms: when the answer is due, milliseconds from its arrival at the server.
    goal: which of accuracy and latency is strict ("strict_accuracy", "strict_latency"); None for the policy's own.
    subnet: the SubNet, by name, that has to answer; None leaves it to the policy.
    trace: the caller's W3C trace context (header "traceparent"), for spans.
    """

    accuracy: float = 0.0
    latency_ms: float = INFINITY
    deadline_ms: float = INFINITY
    goal: Goal | None = None
    subnet: str | None = None
    trace: str | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, Any], trace: str | None = None) -> Targets:
        """From request parameters; raises BadRequest for a value out of its range."""
        found: dict[str, Any] = {}
        for name, low, high in (("accuracy", 0.0, 100.0), ("latency_ms", 0.0, LONGEST_MS),
                                ("deadline_ms", 0.0, LONGEST_MS)):
            if name in parameters:
                found[name] = _number(name, parameters[name], low, high)
        goal = parameters.get("goal")
        if goal is not None:
            if goal not in ("strict_accuracy", "strict_latency"):
                raise BadRequest(f"parameter 'goal' must be 'strict_accuracy' or 'strict_latency', not {goal!r:.80}")
            found["goal"] = goal
        subnet = parameters.get("subnet")
        if subnet is not None:
            if not isinstance(subnet, str):
                raise BadRequest(f"parameter 'subnet' must be a name, not {subnet!r:.80}")
            found["subnet"] = subnet
        return cls(trace=trace, **found)


def _number(name: str, value: Any, low: float, high: float) -> float:
    try:
        if isinstance(value, bool) or not low <= float(value) <= high:
            raise ValueError
    except (TypeError, ValueError):
        raise BadRequest(f"parameter {name!r} must be a number from {low:g} to {high:g}, not {value!r:.80}") from None
    return float(value)


class Answer(NamedTuple):
    """One image, classified.

    Parameters
    ----------
    logits: int8 [classes].
    subnet, accuracy: which SubNet answered, and its accuracy in per cent.
    device: the replica's name.
    device_ms: of its launch on the device; launch: images in it.
    queue_ms: from arrival to the launch.  total_ms: from arrival to the answer.
    cached: name of the SubGraph that was in the persistent buffer.
    hit_ratio: share of the SubNet's weight bytes that came from there.
    energy_mj: by the named energy constants, a share of the launch's.
    dram_bytes, cache_bytes: read and written off chip, and weights read from the cache; a share of the launch's.
    clock_mhz: at which it ran.  tries: launches that failed before this one.
    """

    logits: np.ndarray
    subnet: str
    accuracy: float
    device: str
    device_ms: float
    queue_ms: float
    total_ms: float
    cached: str
    hit_ratio: float
    energy_mj: float = 0.0
    dram_bytes: int = 0
    cache_bytes: int = 0
    clock_mhz: float = 0.0
    launch: int = 1
    tries: int = 0

    @property
    def label(self) -> int:
        return int(self.logits.argmax())

    def parameters(self) -> dict[str, str | float | int]:
        """What goes beside the tensors of a response."""
        return {"subnet": self.subnet, "accuracy": round(self.accuracy, 3), "device": self.device,
                "latency_ms": round(self.device_ms, 4), "queue_ms": round(self.queue_ms, 3),
                "total_ms": round(self.total_ms, 3), "cached_subgraph": self.cached,
                "cache_hit_ratio": round(self.hit_ratio, 4), "energy_mj": round(self.energy_mj, 4),
                "dram_bytes": self.dram_bytes, "cache_bytes": self.cache_bytes,
                "clock_mhz": round(self.clock_mhz, 3), "batch": self.launch, "retries": self.tries}
