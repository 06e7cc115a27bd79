"""The search space: sizes, nesting, sampling."""
from __future__ import annotations

import random

from nigiri.supernet.space import CIFAR


def test_the_ends_of_the_space():
    assert CIFAR.cost(CIFAR.largest()) == (35_510_400, 933_576)
    assert CIFAR.cost(CIFAR.smallest()) == (8_516_736, 152_712)


def test_skipped_blocks_do_not_count():
    rng = random.Random(1)
    for _ in range(50):
        config = CIFAR.sample(rng)
        canonical = CIFAR.canonical(config)
        assert CIFAR.cost(canonical) == CIFAR.cost(config)
        assert CIFAR.canonical(canonical) == canonical
        macs, weights = CIFAR.cost(config)
        assert CIFAR.cost(CIFAR.smallest())[0] <= macs <= CIFAR.cost(CIFAR.largest())[0]
        assert 152_712 <= weights <= 933_576
