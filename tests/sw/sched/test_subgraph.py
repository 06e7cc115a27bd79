"""Boxes: their sizes, cuts and vectors."""
from __future__ import annotations

import random

import numpy as np
import pytest

from nigiri.sched.subgraph import Layer, clip, hit_words, intersection, key, vector, words


def test_words_intersection_hits():
    a, b = {0: (4, 3, 9), 1: (2, 2, 1)}, {0: (2, 5, 3), 2: (1, 1, 1)}
    assert words(a) == 112
    assert intersection(a, b) == {0: (2, 3, 3)}
    assert hit_words(a, b) == hit_words(b, a) == 18
    assert hit_words(a, {}) == 0


def test_clip_cuts_the_last_layer_along_the_better_axis():
    net = {0: (4, 10, 1), 1: (10, 4, 1)}
    assert clip(net, [0, 1], 80) == net
    assert clip(net, [0, 1], 79) == {0: (4, 10, 1), 1: (9, 4, 1)}
    assert clip(net, [1, 0], 79) == {1: (10, 4, 1), 0: (4, 9, 1)}
    assert clip(net, [0, 1], 0) == {}


@pytest.mark.parametrize("seed", range(20))
def test_clip_never_exceeds_the_capacity(seed):
    rng = random.Random(seed)
    net = {i: (rng.randint(1, 20), rng.randint(1, 20), rng.choice((1, 3, 9))) for i in range(10)}
    capacity = rng.randint(0, 2 * words(net))
    cut = clip(net, rng.sample(range(10), 10), capacity)
    assert words(cut) <= capacity
    assert intersection(net, cut) == {i: cut[i] for i in net if i in cut}


def test_vector_and_key():
    layers = [Layer(3, "a", 1), Layer(1, "b", 1)]
    assert np.array_equal(vector({1: (2, 5, 9)}, layers), [0, 0, 0, 2, 5, 9])
    assert key({1: (1, 2, 3), 0: (4, 5, 6)}) == key({0: (4, 5, 6), 1: (1, 2, 3)}) != key({0: (4, 5, 6)})
