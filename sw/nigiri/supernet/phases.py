"""How the search space grows while a SuperNet is trained: a schedule is a list of spaces, each for some epochs.

* sandwich: the whole space from the first step (BigNAS, Yu et al., ECCV 2020).
* progressive: first the largest SubNet alone, then kernels become elastic, then depths, then expansions
  (progressive shrinking, Cai et al., Once-for-All, ICLR 2020, section 3.3).
* incremental: first the SubNets of one kind of block, then all (two-phase incremental training against gradients of
  different blocks that pull apart, Zhao et al., H4H-NAS, ASP-DAC 2025).  Kinds of block here are kernel sizes: the
  first phase has the largest kernel only.

Pure Python; no torch.
"""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from nigiri.supernet.recipe import Recipe
from nigiri.supernet.space import Space

__all__ = ["Phase", "narrowed", "schedule"]

AXES = ("kernels", "depths", "expands")
"""What a SubNet chooses, in the order in which progressive shrinking frees it."""
STEPS = {"sandwich": ((1.0, AXES),),
         "progressive": ((0.25, ()), (0.25, AXES[:1]), (0.25, AXES[:2]), (0.25, AXES)),
         "incremental": ((0.5, AXES[1:]), (0.5, AXES))}
"""By schedule: (share of the epochs, what is elastic)."""


@dataclass(frozen=True)
class Phase:
    """Epochs `first` (from 0) to `last` (exclusive) draw SubNets from `space`."""

    first: int
    last: int
    space: Space


def narrowed(space: Space, elastic: Collection[str]) -> Space:
    """The part of a space in which only `elastic` (of kernels, depths, expands) varies; the rest is at its largest.

    Every SubNet of it is one of `space`, and the SuperNet is the same.

    Raises
    ------
    ValueError: something else is named.
    """
    odd = sorted(set(elastic) - set(AXES))
    if odd:
        raise ValueError(f"{odd[0]!r} is nothing that a SubNet chooses: name some of {', '.join(AXES)}")
    fixed = [axis for axis in AXES if axis not in elastic]
    stages = []
    for stage in space.stages:
        largest: dict[str, Any] = {axis: (max(getattr(stage, axis)),) for axis in fixed}
        stages.append(replace(stage, **largest))
    return replace(space, stages=tuple(stages))


def schedule(space: Space, recipe: Recipe) -> list[Phase]:
    """The phases of a training run, without those that get no epoch."""
    out: list[Phase] = []
    done, first = 0.0, 0
    for share, elastic in STEPS[recipe.phases]:
        done += share
        # Every schedule ends with the whole space, however short it is.
        last = recipe.epochs if len(elastic) == len(AXES) else min(round(recipe.epochs * done), recipe.epochs - 1)
        if last > first:
            out.append(Phase(first, last, narrowed(space, elastic)))
        first = last
    return out
