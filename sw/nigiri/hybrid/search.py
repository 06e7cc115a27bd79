"""Evolutionary search over blocks and mapping: predicted accuracy against estimated latency.

A SubNet is judged with the best mapping of its operators (:mod:`nigiri.hybrid.mapping`), which is exact and cheap, so
that the search need not mutate the mapping.  Survivors are chosen by front and crowding (NSGA-II, Deb et al., 2002).
"""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nigiri.hybrid.estimate import Estimator
from nigiri.hybrid.mapping import Mapped
from nigiri.hybrid.predictor import AccuracyModel
from nigiri.hybrid.space import ATTENTION, CONVOLUTION, HybridConfig, HybridSpace
from nigiri.runtime.errors import BadArgument
from nigiri.search.front import crowding, front, ranks

__all__ = ["Found", "evolve", "mutate"]

RATE = 0.15
"""Share of the choices that a mutation changes."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """accuracy: predicted, percent."""

    config: HybridConfig
    mapped: Mapped
    accuracy: float


def mutate(space: HybridSpace, config: HybridConfig, rng: random.Random) -> HybridConfig:
    """Another SubNet of the space, near `config`."""
    other = space.sample(rng)

    def mixed(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(y if rng.random() < RATE else x for x, y in zip(a, b, strict=True))

    return space.canonical(HybridConfig(
        depths=mixed(config.depths, other.depths), expands=mixed(config.expands, other.expands),
        kernels=mixed(config.kernels, other.kernels), kinds=mixed(config.kinds, other.kinds),
        heads=mixed(config.heads, other.heads), norm=other.norm if rng.random() < RATE else config.norm))


def cross(space: HybridSpace, a: HybridConfig, b: HybridConfig, rng: random.Random) -> HybridConfig:
    """Every stage from one parent or the other."""
    side = [rng.random() < 0.5 for _ in space.stages]

    def by_block(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(x[n] if side[block.stage] else y[n] for n, block in enumerate(space.blocks))

    return space.canonical(HybridConfig(
        depths=tuple(x if s else y for x, y, s in zip(a.depths, b.depths, side, strict=True)),
        expands=by_block(a.expands, b.expands), kernels=by_block(a.kernels, b.kernels),
        kinds=by_block(a.kinds, b.kinds), heads=by_block(a.heads, b.heads), norm=rng.choice((a.norm, b.norm))))


def _plain(space: HybridSpace, config: HybridConfig) -> HybridConfig:
    """A SubNet of the part of a space that has no attention."""
    if not space.convolution_only:
        return config
    return space.canonical(replace(config, kinds=tuple(CONVOLUTION for _ in config.kinds)))


def evolve(space: HybridSpace, model: AccuracyModel, estimator: Estimator, *, evaluations: int = 2000,
           population: int = 64, seed: int = 0, progress: Callable[[int], None] = lambda done: None) -> list[Found]:
    """The front of everything that was evaluated, by rising latency.

    space: `estimator`'s, or its part without attention.

    Raises
    ------
    BadArgument: fewer evaluations than a population, or a population of fewer than 4.
    """
    if not 4 <= population <= evaluations:
        raise BadArgument(f"the population must have 4 to {evaluations} SubNets (as many as evaluations), not "
                          f"{population}")
    rng = random.Random(seed)
    seen: dict[HybridConfig, Found] = {}

    def judge(config: HybridConfig) -> Found | None:
        if config in seen:
            return None
        seen[config] = Found(config=config, mapped=estimator.latency(config), accuracy=model.predict(config))
        progress(len(seen))
        return seen[config]

    for c in (space.smallest(), space.largest()):
        judge(space.canonical(c))
    while len(seen) < population:
        judge(space.canonical(space.sample(rng)))
    alive, tries = list(seen.values()), 0
    while len(seen) < evaluations and tries < 20 * evaluations:
        born = []
        for _ in range(population):
            a, b = (alive[min(rng.randrange(len(alive)), rng.randrange(len(alive)))].config for _ in range(2))
            child = mutate(space, a, rng) if rng.random() < 0.5 else cross(space, a, b, rng)
            born += [x for x in [judge(_plain(space, child))] if x]
            tries += 1
        pool = alive + born
        points = np.array([(x.mapped.ms, x.accuracy) for x in pool])
        rank, apart = ranks(points), np.zeros(len(pool))
        for n in range(int(rank.max()) + 1):
            apart[rank == n] = crowding(points[rank == n])
        alive = [pool[n] for n in np.lexsort((-apart, rank))[:population]]
    every = list(seen.values())
    return [every[n] for n in front(np.array([(x.mapped.ms, x.accuracy) for x in every]))]


def attention_blocks(config: HybridConfig) -> int:
    """Attention blocks of a SubNet in canonical form."""
    return sum(k == ATTENTION for k in config.kinds)
