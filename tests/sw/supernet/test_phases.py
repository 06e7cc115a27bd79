"""Schedules: what each phase lets a SubNet choose."""
import random

import pytest

from nigiri.supernet.phases import narrowed, schedule
from nigiri.supernet.recipe import PHASES, Recipe
from nigiri.supernet.space import CIFAR


def choices(space, count=200):
    """What varies among random SubNets."""
    rng = random.Random(0)
    seen = [space.sample(rng) for _ in range(count)]
    return {axis for axis in ("kernels", "depths", "expands") if len({getattr(c, axis) for c in seen}) > 1}


@pytest.mark.parametrize("elastic", [(), ("kernels",), ("depths",), ("kernels", "expands"),
                                     ("kernels", "depths", "expands")])
def test_a_narrowed_space_varies_only_what_it_should(elastic):
    space = narrowed(CIFAR, elastic)
    assert choices(space) == set(elastic)
    assert space.largest() == CIFAR.largest()
    assert [(b.name, b.cin, b.cout, b.stride, max(b.kernels), max(b.expands)) for b in space.blocks] == [
        (b.name, b.cin, b.cout, b.stride, max(b.kernels), max(b.expands)) for b in CIFAR.blocks]


def test_nothing_else_can_be_elastic():
    with pytest.raises(ValueError, match="'widths' is nothing that a SubNet chooses: name some of kernels, depths"):
        narrowed(CIFAR, ["widths"])


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("epochs", [1, 2, 3, 10])
def test_phases_follow_each_other_and_end_with_the_whole_space(name, epochs):
    phases = schedule(CIFAR, Recipe(epochs=epochs, phases=name))
    assert [p.first for p in phases] == [0, *(p.last for p in phases[:-1])]
    assert phases[-1].last == epochs and phases[-1].space == CIFAR
    grows = [len(choices(p.space)) for p in phases]
    assert grows == sorted(grows)


def test_two_phases_start_with_one_kind_of_block():
    first, second = schedule(CIFAR, Recipe(epochs=10, phases="incremental"))
    assert (first.last, choices(first.space)) == (5, {"depths", "expands"})
    assert second.space == CIFAR
