"""Arrival processes: constant, Poisson, gamma with a coefficient of variation, and mean rates that change.

A gamma process has independent gaps of mean 1/rate and squared coefficient of variation CV^2: shape 1/CV^2, scale
CV^2/rate.  CV^2 = 1 is Poisson, 0 evenly spaced, above 1 bursty.
"""
from __future__ import annotations

import numpy as np

from nigiri.traffic.errors import LIMIT, TrafficError, positive

__all__ = ["bursty", "constant", "gamma", "merge", "poisson", "ramp"]


def _units(amount: float, cv2: float, seed: int) -> np.ndarray:
    """Arrivals of rate 1 up to the time `amount`."""
    if cv2 < 0 or not np.isfinite(cv2):
        raise TrafficError(f"the squared coefficient of variation must be 0 or more, not {cv2}")
    if amount > LIMIT:
        raise TrafficError(f"a stream can have {LIMIT} arrivals, not {amount:.0f}: take a lower rate or less time")
    if cv2 == 0:
        return np.arange(int(np.ceil(amount - 1e-9)), dtype=np.float64)
    rng = np.random.default_rng(seed)
    parts, reached = list[np.ndarray](), 0.0
    while reached < amount:
        # Enough for what is left with ten standard deviations to spare, so that one turn nearly always suffices.
        count = int((amount - reached) + 10 * np.sqrt(max(cv2, 0.01) * (amount - reached + 1)) + 16)
        part = reached + np.cumsum(rng.gamma(1 / cv2, cv2, count))
        parts.append(part)
        reached = float(part[-1])
    out = np.concatenate(parts)
    return out[out < amount]


def gamma(rate: float, cv2: float, duration_s: float, seed: int = 0) -> np.ndarray:
    """Arrivals with gamma-distributed gaps, float64, in [0, duration_s); raises TrafficError."""
    positive(rate=rate, duration_s=duration_s)
    return _units(rate * duration_s, cv2, seed) / rate


def constant(rate: float, duration_s: float) -> np.ndarray:
    """Evenly spaced arrivals from 0 on; raises TrafficError."""
    return gamma(rate, 0.0, duration_s)


def poisson(rate: float, duration_s: float, seed: int = 0) -> np.ndarray:
    """Arrivals with exponential gaps; raises TrafficError."""
    return gamma(rate, 1.0, duration_s, seed)


def merge(*arrivals: np.ndarray) -> np.ndarray:
    """All arrivals of several streams."""
    return np.sort(np.concatenate([np.asarray(a, np.float64) for a in arrivals])) if arrivals else np.zeros(0)


def bursty(base_rate: float, variant_rate: float, cv2: float, duration_s: float, seed: int = 0) -> np.ndarray:
    """A constant stream and a gamma stream together (SuperServe, NSDI 2025: bursty traces); raises TrafficError."""
    return merge(constant(base_rate, duration_s), gamma(variant_rate, cv2, duration_s, seed))


def ramp(rate1: float, rate2: float, acceleration: float, cv2: float, *, before_s: float = 0.0, after_s: float = 0.0,
         seed: int = 0) -> np.ndarray:
    """A mean rate that goes from `rate1` to `rate2` by `acceleration` queries/s each second.

    It stays at `rate1` for `before_s` and at `rate2` for `after_s`.  Gaps vary as those of a gamma process: arrivals of
    a process of rate 1 are moved through the inverse of the cumulated rate (SuperServe, NSDI 2025: time-varying
    traces).

    Raises
    ------
    TrafficError: a rate or acceleration that is not positive, or a negative time.
    """
    positive(rate1=rate1, rate2=rate2, acceleration=acceleration)
    if min(before_s, after_s) < 0:
        raise TrafficError(f"before_s and after_s must not be negative, not {before_s} and {after_s}")
    signed = acceleration if rate2 >= rate1 else -acceleration
    climb = (rate2 - rate1) / signed
    first, middle = rate1 * before_s, (rate1 + rate2) / 2 * climb
    u = _units(first + middle + rate2 * after_s, cv2, seed)
    # Within the ramp rate1 t + signed t^2 / 2 = u - first, solved without subtracting nearly equal numbers.
    inside = np.clip(u - first, 0.0, middle)
    root = np.sqrt(np.maximum(0.0, rate1 ** 2 + 2 * signed * inside))
    t = before_s + np.minimum(climb, 2 * inside / (rate1 + root))
    t = np.where(u < first, u / rate1, t)
    t = np.where(u >= first + middle, before_s + climb + (u - first - middle) / rate2, t)
    # Gaps smaller than the rounding of the square root must not turn round.
    return np.maximum.accumulate(t) if len(t) else t
