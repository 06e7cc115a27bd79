"""Kernels as the accelerator has them: odd, with the window centred on the pixel `stride` times the output's.

A window that is not centred, as with TensorFlow's padding of even images at stride 2, lies inside a larger centred one
whose other weights are zero.  Turned by 180 degrees, image and kernels alike, such windows are centred: window rows
2y..2y+2 of H rows become 2y'-1..2y'+1.  The importer takes the orientation that needs fewer multiplications.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LARGEST", "Window", "embed"]

LARGEST = 7
"""Largest kernel of the accelerator."""


@dataclass(frozen=True)
class Window:
    """The part of an axis that an output pixel sees: `low`..`high`, counted from `stride` times its own place."""

    low: int
    high: int

    @classmethod
    def of(cls, kernel: int, stride: int, pad: int, size: int, turned: bool) -> Window:
        """Of a kernel with `pad` pixels before an axis of `size`; `turned`: the axis runs backwards."""
        low, high = -pad, kernel - 1 - pad
        if not turned:
            return cls(low, high)
        shift = 1 if stride == 2 and size % 2 == 0 else 0
        return cls(shift - high, shift - low)

    @property
    def odd(self) -> bool:
        """Whether it is the one pixel behind the centre, which a kernel of 1 reads from another phase plane."""
        return self.low == self.high == 1

    @property
    def kernel(self) -> int:
        """Smallest odd centred kernel that holds the window."""
        return 2 * max(abs(self.low), abs(self.high)) + 1


def embed(weights: np.ndarray, rows: Window, columns: Window, turned: bool) -> np.ndarray:
    """int8 [cout, cin, k, k]: `weights` [cout, cin, h, w] in the smallest kernel that holds both windows, with zeros
    around them; `turned`: by 180 degrees."""
    w = weights[:, :, ::-1, ::-1] if turned else weights
    k = max(rows.kernel, columns.kernel)
    out = np.zeros((*w.shape[:2], k, k), np.int8)
    y, x = k // 2 + rows.low, k // 2 + columns.low
    out[:, :, y:y + w.shape[2], x:x + w.shape[3]] = w
    return out
