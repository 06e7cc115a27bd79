"""Synthetic pictures with the statistics that matter here: smooth, coloured, with edges, different from each other."""
from __future__ import annotations

import numpy as np

__all__ = ["pictures"]


def _noise(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth noise [side, side, 3] of about `cells` waves across the picture."""
    grid = rng.normal(size=(cells + 2, cells + 2, 3))
    at = np.linspace(0, cells, side, endpoint=False)
    low = at.astype(int)
    t = at - low
    t = (t * t * (3 - 2 * t))[:, None, None]
    rows = grid[low] * (1 - t) + grid[low + 1] * t
    t = t.reshape(1, side, 1)
    return rows[:, low] * (1 - t) + rows[:, low + 1] * t


def pictures(count: int, side: int, seed: int = 0) -> np.ndarray:
    """uint8 [count, side, side, 3]; the same for the same arguments."""
    out = np.empty((count, side, side, 3), np.uint8)
    for n in range(count):
        rng = np.random.default_rng([seed, n, side])
        colour = rng.normal(size=3)
        image = sum(_noise(rng, side, 2**k) / 2**(0.9 * k) for k in range(1, 6))
        shape = np.sign(_noise(rng, side, 4)[..., :1] - 0.3) * rng.normal(0, 0.6, 3)
        image = image + shape + 0.1 * rng.normal(size=(side, side, 3)) + 0.3 * colour
        out[n] = np.clip(118 + 45 * image, 0, 255).astype(np.uint8)
    return out
