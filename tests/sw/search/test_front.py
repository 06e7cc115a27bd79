"""Fronts, ranks, crowding and hypervolume, against definitions written out."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.search.front import crowding, front, hypervolume, ranks


def dominates(a, b):
    return a[0] <= b[0] and a[1] >= b[1] and (a[0] < b[0] or a[1] > b[1])


def some(seed, count=60):
    print(f"seed {seed}")
    return np.random.default_rng(seed).integers(0, 12, (count, 2)).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_front_and_ranks(seed):
    points = some(seed)
    left, rank = points.copy(), 0
    got = ranks(points)
    assert set(got) == set(range(got.max() + 1))
    # without copies of a point, a rank is what dominates nothing of what is left
    unique = np.unique(points, axis=0)
    got = ranks(unique)
    left = list(range(len(unique)))
    while left:
        free = [n for n in left if not any(dominates(unique[m], unique[n]) for m in left)]
        assert sorted(np.flatnonzero(got == rank)) == free
        left, rank = [n for n in left if n not in free], rank + 1
    chosen = unique[front(unique)]
    assert (np.diff(chosen[:, 0]) > 0).all() and (np.diff(chosen[:, 1]) > 0).all()


def test_equal_points():
    assert front(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0], [2.0, 3.0]])).tolist() == [2]
    assert front(np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [0]
    assert front(np.zeros((0, 2))).tolist() == [] and ranks(np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_hypervolume(seed):
    """Counted square by square: points and reference are whole numbers."""
    points, reference = some(seed, 8), (10.0, 2.0)
    squares = sum(any(x <= a and y >= b + 1 for x, y in points) for a in range(10) for b in range(2, 12))
    assert hypervolume(points, reference) == squares


def test_hypervolume_of_nothing():
    assert hypervolume(np.zeros((0, 2)), (1.0, 0.0)) == hypervolume(np.array([[2.0, 5.0]]), (1.0, 0.0)) == 0.0


def test_crowding():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0], [4.0, 10.0]])
    got = crowding(points)
    assert np.isinf(got[[0, 3]]).all()
    assert got[1:3] == pytest.approx([3 / 4 + 3 / 10, 3 / 4 + 9 / 10])
    assert np.isinf(crowding(points[:2])).all()
