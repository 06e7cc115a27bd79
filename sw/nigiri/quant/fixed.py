"""Real multipliers as 16-bit integers and shifts, and batch norm as bias, multiplier and shift."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nigiri.quant.errors import QuantisationError

__all__ = ["common_shift", "fold", "multiplier"]

BIAS_LIMIT = 2.0**30
"""Largest bias before the term for the input's zero point is added."""


def multiplier(m: float) -> tuple[int, int]:
    """(mult, shift) with mult / 2**shift nearest to m >= 0; mult has 16 bits, shift 6.

    Raises QuantisationError for a multiplier of 65535.5 or more, which no shift can express.
    """
    if not 0 <= m < 65535.5:
        raise QuantisationError(f"a multiplier must be between 0 and 65535, not {m!r}: "
                                f"the scales of the layer are unsound")
    if m == 0:
        return 0, 0
    shift = min(63, 15 - math.floor(math.log2(m)))
    if shift < 0 or round(m * 2.0**shift) > 65535:
        shift -= 1
    shift = max(shift, 0)
    return min(round(m * 2.0**shift), 65535), shift


def common_shift(ratios: Sequence[float]) -> tuple[list[int], int]:
    """(multipliers, shift) of several ratios with one shift, as precise as the largest allows."""
    _, shift = multiplier(max(ratios))
    return [round(r * 2.0**shift) for r in ratios], shift


def fold(*, slope: np.ndarray, offset: np.ndarray, s_in: float, s_w: np.ndarray, s_out: float, zp_in: int,
         sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bias int32, mult uint16, shift uint8) so that requantise() computes (slope * convolution + offset) / s_out.

    Parameters
    ----------
    slope: |gamma| / sqrt(var + eps) per channel, not negative.  offset: beta - gamma * mean / sqrt(var + eps).
    sums: sum of the weight codes that the SubNet uses, per channel: what a zero point of 1 adds to the accumulator.

    A slope near zero would need a bias beyond 32 bits; the multiplier is raised so far that the bias fits, which
    lets the convolution move the result by a fraction of a step only.
    """
    m = s_in * s_w * slope / s_out
    m = np.maximum(m, np.abs(offset) / s_out / BIAS_LIMIT)
    pairs = [multiplier(float(x)) for x in m]
    mult, shift = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    real = mult * np.exp2(-shift.astype(np.float64))
    bias = np.where(mult > 0, np.rint(offset / s_out / np.where(mult > 0, real, 1.0)), 0.0)
    bias -= zp_in * sums.astype(np.float64)
    if float(np.abs(bias).max()) >= 2.0**31:
        raise QuantisationError("a bias does not fit 32 bits: the batch-norm statistics of the layer are unsound")
    return bias.astype(np.int32), mult.astype(np.uint16), shift.astype(np.uint8)
