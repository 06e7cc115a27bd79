"""What a source of arrivals refuses."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["LIMIT", "TrafficError", "positive"]

LIMIT = 100_000_000
"""Most arrivals."""


class TrafficError(NigiriError):
    """A rate, a duration or a trace that makes no sense; the message names it and what it must be."""


def positive(**values: float) -> None:
    """Raises TrafficError unless every value is above 0 and finite."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise TrafficError(f"{name} must be positive and finite, not {value}")
