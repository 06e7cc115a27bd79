"""The integer arithmetic of :mod:`nigiri.spec.arith` on arrays of any shape; all intermediate values fit int64."""
from __future__ import annotations

import numpy as np

__all__ = ["add_residual", "lookup", "requantise", "scale_factor", "shift_round", "wrap32"]


def wrap32(x: np.ndarray) -> np.ndarray:
    """Two's complement wrap to 32 bits, as int64."""
    return np.asarray(x, np.int64).astype(np.int32).astype(np.int64)


def shift_round(x: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """x / 2**shift rounded half up; `shift` is 0..63 and |x| below 2**62."""
    s = np.asarray(shift, np.int64)
    half = np.where(s > 0, np.int64(1) << np.maximum(s - 1, 0), 0)
    return (x + half) >> s


def requantise(acc: np.ndarray, bias: np.ndarray | int, mult: np.ndarray | int, shift: np.ndarray | int,
               zp: int) -> np.ndarray:
    """int8 values, as int64, of 32-bit accumulators; bias, mult and shift broadcast over the last axis."""
    scaled = wrap32(acc + np.asarray(bias, np.int64)) * np.asarray(mult, np.int64)
    return np.clip(shift_round(scaled, shift) + zp, -128, 127)


def scale_factor(codes: np.ndarray, mult: int) -> np.ndarray:
    """Multiplier of each channel under a channel scale: int8 codes for 0..255, `mult` 16 bits, rounded by 2**8."""
    return ((np.asarray(codes, np.int64) + 128) * mult + 128) >> 8


def add_residual(y: np.ndarray, r: np.ndarray, *, mult_y: int | np.ndarray, mult_r: int, shift: int, zp_y: int,
                 zp_res: int, zp_sum: int) -> np.ndarray:
    """int8 sums, as int64, of two int8 tensors of different scales."""
    total = (np.asarray(y, np.int64) - zp_y) * mult_y + (np.asarray(r, np.int64) - zp_res) * mult_r
    return np.clip(shift_round(total, shift) + zp_sum, -128, 127)


def lookup(table: np.ndarray, v: np.ndarray) -> np.ndarray:
    """table[v & 0xFF] of a table of 256 bytes, as signed int64."""
    return np.asarray(table).view(np.int8).astype(np.int64)[np.asarray(v, np.int64) & 0xFF]
