"""Traces on another scale of time and load, with their shape kept."""
from __future__ import annotations

from typing import Literal

import numpy as np

from nigiri.traffic.errors import LIMIT, TrafficError, positive

__all__ = ["compress", "from_counts", "peak_to_mean"]

Spread = Literal["uniform", "even"]


def from_counts(counts: np.ndarray, bin_s: float, mean_rate: float | None = None, *, peak: float | None = None,
                spread: Spread = "uniform", seed: int = 0) -> np.ndarray:
    """Arrivals whose number in each bin of `bin_s` follows `counts`.

    Parameters
    ----------
    counts: not negative, by bin.
    mean_rate: queries/s over all bins; None keeps the counts.  Fractions are carried from bin to bin, so that the total
        is right and no bin is off by more than one.
    peak: largest rate of a bin as a multiple of the mean; what is above it moves to the following bins, as in a queue.
    spread: arrivals of a bin are "uniform" at random in it, or "even".

    Raises
    ------
    TrafficError: negative or no counts, a rate or bin that is not positive, a peak of at most 1, or too many arrivals.
    """
    shape = np.asarray(counts, np.float64)
    positive(bin_s=bin_s)
    if shape.ndim != 1 or not len(shape) or not np.isfinite(shape).all() or (shape < 0).any() or not shape.sum():
        raise TrafficError("counts must be a list of numbers that are not negative, with at least one above 0")
    if mean_rate is not None:
        positive(mean_rate=mean_rate)
        shape = shape * (mean_rate * bin_s * len(shape) / shape.sum())
    if shape.sum() > LIMIT:
        raise TrafficError(f"a stream can have {LIMIT} arrivals, not {shape.sum():.0f}: take a lower rate or less time")
    if peak is not None:
        if peak <= 1:
            raise TrafficError(f"peak must be above 1, not {peak}")
        shape = _level(shape, peak * shape.mean())
    # What is left over of a bin goes to the next.
    whole = np.diff(np.floor(np.cumsum(shape) + 0.5), prepend=0).astype(np.int64)
    place = np.repeat(np.arange(len(whole)), whole)
    if spread == "even":
        within = np.arange(len(place)) - np.repeat(np.cumsum(whole) - whole, whole)
        return (place + (within + 0.5) / np.maximum(1, whole)[place]) * bin_s
    return np.sort((place + np.random.default_rng(seed).random(len(place))) * bin_s)


def _level(shape: np.ndarray, most: float) -> np.ndarray:
    """What is above `most` waits for the next bins; what waits at the end comes first."""
    out, over = np.empty_like(shape), 0.0
    for _ in range(2):
        for n, x in enumerate(shape):
            out[n] = min(most, x + over)
            over += x - out[n]
        shape = out.copy()
        if over < 1e-9:
            break
    return out


def compress(arrivals: np.ndarray, duration_s: float, mean_rate: float, *, bins: int = 1440, peak: float | None = None,
             spread: Spread = "uniform", seed: int = 0) -> np.ndarray:
    """A trace squeezed into `duration_s` at `mean_rate`, its shape kept in `bins` equal parts; see :func:`from_counts`.

    SuperServe (NSDI 2025) does this with 24 h of minutes, 1,440 bins, in 120 s.
    """
    a = np.asarray(arrivals, np.float64)
    positive(duration_s=duration_s)
    if len(a) < 2 or (np.diff(a) < 0).any() or bins < 1:
        raise TrafficError("a trace needs at least two arrivals in ascending order, and at least one bin")
    counts = np.histogram(a, bins=bins, range=(float(a[0]), float(a[-1])))[0]
    return from_counts(counts, duration_s / bins, mean_rate, peak=peak, spread=spread, seed=seed)


def peak_to_mean(arrivals: np.ndarray, bin_s: float) -> float:
    """Largest number of arrivals in a bin over the mean number; raises TrafficError for no arrivals."""
    positive(bin_s=bin_s)
    if not len(arrivals):
        raise TrafficError("there are no arrivals to take a mean of")
    counts = np.bincount((np.asarray(arrivals) / bin_s).astype(np.int64))
    return float(counts.max() / counts.mean())
