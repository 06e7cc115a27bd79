"""Pareto fronts of points (cost, score): less cost and more score are better."""
from __future__ import annotations

import numpy as np

__all__ = ["crowding", "front", "hypervolume", "ranks"]


def front(points: np.ndarray) -> np.ndarray:
    """Indices of the points float [N, 2] that no other dominates, by rising cost; of equal points the first."""
    order = np.lexsort((np.arange(len(points)), -points[:, 1], points[:, 0]))
    keep, best = [], -np.inf
    for n in order:
        if points[n, 1] > best:
            keep.append(n)
            best = points[n, 1]
    return np.array(keep, int)


def ranks(points: np.ndarray) -> np.ndarray:
    """int [N]: 0 for the front, 1 for the front of the rest, and so on."""
    out, left, rank = np.zeros(len(points), int), np.arange(len(points)), 0
    while len(left):
        first = front(points[left])
        out[left[first]] = rank
        left, rank = np.delete(left, first), rank + 1
    return out


def crowding(points: np.ndarray) -> np.ndarray:
    """float [N] of one front: how far a point's neighbours are apart, as a share of the front; inf at its ends.

    Source: NSGA-II (Deb et al., 2002), section III-B.
    """
    out = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        out[order[[0, -1]]] = np.inf
        if spread > 0:
            out[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return out


def hypervolume(points: np.ndarray, reference: tuple[float, float]) -> float:
    """Area that the points dominate, up to the cost and down to the score of `reference`."""
    cost, score = reference
    inside = points[(points[:, 0] < cost) & (points[:, 1] > score)]
    chosen = inside[front(inside)] if len(inside) else inside
    ends = np.append(chosen[1:, 0], cost)
    return float(((ends - chosen[:, 0]) * (chosen[:, 1] - score)).sum())
