"""Orders of taps, kernel columns and pixels in memory.

Activations: [block of 8 channels][pixel], one pixel word (8 bytes, channel 0 first) each, pixel = y * width + x.
A tensor that a stride-2 layer reads is *polyphase*: four planes (y % 2, x % 2) of ceil(h/2) x ceil(w/2) pixels each,
plane 2 * (y % 2) + x % 2 at that many times the phase stride, pixel (y // 2) * ceil(w/2) + x // 2 inside it.

Weights: a word is 8 output channels x 8 inputs of int8, byte 8 * o + i.  DRAM order per layer is
[output block][input block][tap], taps from the centre outwards, so that fewer channels and smaller kernels are
prefixes.
A depthwise word is 8 channels x one kernel row of 7 column slots (the eighth is zero); rows from the centre outwards.
"""
from __future__ import annotations

from functools import cache

__all__ = ["DENSE_TAPS", "ROWS", "SLOT_OFFSETS", "slot_mask", "tap_order"]


@cache
def tap_order(kernel: int) -> tuple[tuple[int, int], ...]:
    """(dy, dx) of every tap of a dense kernel, ring by ring from the centre, row-major inside a ring."""
    r = kernel // 2
    taps = [(y, x) for y in range(-r, r + 1) for x in range(-r, r + 1)]
    return tuple(sorted(taps, key=lambda t: max(abs(t[0]), abs(t[1]))))


DENSE_TAPS = tap_order(7)
"""All 49 taps; the first k * k of them are a k x k kernel."""

ROWS = (0, -1, 1, -2, 2, -3, 3)
"""dy of every depthwise kernel row, centre first; the first k of them are a kernel of size k."""

SLOT_OFFSETS = {1: (-3, -2, -1, 0, 1, 2, 3), 2: (-2, 0, 2, -3, -1, 1, 3)}
"""dx of every column slot of a depthwise word, by stride.  Stride 2: even offsets in slots 0..2, odd ones in 3..6."""

SLOT_BASE = {(1, 0): -3, (2, 0): -1, (2, 1): -5}
"""(stride, column parity) -> shift of slot 0 in the plane that is read: slot s reads pixel x + shift + s."""


def slot_mask(stride: int, kernel: int, parity: int = 0) -> int:
    """Bit mask of the column slots that take part: those inside the kernel and, at stride 2, of this parity."""
    mask = 0
    for s, dx in enumerate(SLOT_OFFSETS[stride]):
        if abs(dx) <= kernel // 2 and (stride == 1 or dx % 2 == parity):
            mask |= 1 << s
    return mask
