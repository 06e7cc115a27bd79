"""Integer arithmetic of the datapath, on Python integers; the golden model does the same on arrays.

One rounding per requantisation: add half an LSB and shift right arithmetically (round half up).
"""
from __future__ import annotations

__all__ = ["add_residual", "clamp", "requantise", "scale_factor", "wrap32"]


def wrap32(x: int) -> int:
    """Two's complement wrap to 32 bits."""
    return (x + 2**31) % 2**32 - 2**31


def clamp(x: int, low: int = -128, high: int = 127) -> int:
    return max(low, min(high, x))


def shift_round(x: int, shift: int) -> int:
    """x / 2**shift, rounded half up; shift 0 leaves x alone."""
    return (x + ((1 << shift) >> 1)) >> shift


def requantise(acc: int, bias: int, mult: int, shift: int, zp: int) -> int:
    """int8 of a 32-bit accumulator: clamp(round(wrap32(acc + bias) * mult / 2**shift) + zp); mult 16 bits, shift 6."""
    return clamp(shift_round(wrap32(acc + bias) * mult, shift) + zp)


def add_residual(y: int, r: int, *, mult_y: int, mult_r: int, shift: int, zp_y: int, zp_res: int, zp_sum: int) -> int:
    """int8 sum of two int8 values of different scales.

    clamp(round(((y - zp_y) * mult_y + (r - zp_res) * mult_r) / 2**shift) + zp_sum)
    """
    return clamp(shift_round((y - zp_y) * mult_y + (r - zp_res) * mult_r, shift) + zp_sum)


def scale_factor(code: int, mult: int) -> int:
    """Multiplier of a channel under a channel scale: an int8 code stands for 0..255; 16 bits, as `mult` is."""
    return ((code + 128) * mult + 128) >> 8
