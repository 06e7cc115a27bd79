"""Picks the SubNets worth serving: the smallest, the largest, and the most accurate of random ones at each size."""
from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from nigiri.quant.errors import QuantisationError
from nigiri.supernet.calibrate import evaluate, running_statistics
from nigiri.supernet.model import SuperNet
from nigiri.supernet.space import Space, SubNetConfig

__all__ = ["Candidate", "measure_candidates", "pick"]


@dataclass(frozen=True)
class Candidate:
    config: SubNetConfig
    macs: int
    accuracy: float


def sample(space: Space, count: int, seed: int) -> list[SubNetConfig]:
    """`count` different SubNets, neither the smallest nor the largest, spread evenly over log cost."""
    rng = random.Random(seed)
    small, large = space.smallest(), space.largest()
    pool = {space.canonical(space.sample(rng)) for _ in range(20 * count)}
    pool -= {space.canonical(small), space.canonical(large)}
    by_cost = sorted(pool, key=lambda c: (space.cost(c)[0], repr(c)))
    low, high = (math.log(space.cost(c)[0]) for c in (small, large))
    slots: dict[int, list[SubNetConfig]] = {}
    for c in by_cost:
        slots.setdefault(int((math.log(space.cost(c)[0]) - low) / (high - low) * count), []).append(c)
    chosen = [rng.choice(s) for _, s in sorted(slots.items())]
    rest = [c for c in by_cost if c not in chosen]
    return chosen + rng.sample(rest, min(count - len(chosen), len(rest)))


def measure_candidates(net: SuperNet, configs: list[SubNetConfig], calibration: Tensor, images: Tensor,
                       labels: Tensor) -> list[Candidate]:
    """Float accuracy of every SubNet on `images`, after calibration of its batch-norm statistics."""
    return [Candidate(c, net.space.cost(c)[0],
                      evaluate(net, c, running_statistics(net, c, calibration), images, labels))
            for c in configs]


def pick(space: Space, candidates: list[Candidate], count: int) -> list[SubNetConfig]:
    """`count` SubNets by rising cost: the ends, and between them the most accurate at each of equal steps of log cost.

    Candidates within half a step of the ends are not taken; a step without candidates takes the nearest one.
    Raises QuantisationError when there are fewer candidates than needed.
    """
    if count < 2 or len(candidates) < count - 2:
        raise QuantisationError(f"{count} SubNets need at least {max(count - 2, 0)} candidates and at least 2 SubNets, "
                                f"not {len(candidates)} candidates: raise --candidates")
    low, high = (math.log(space.cost(c)[0]) for c in (space.smallest(), space.largest()))
    left, chosen = list(candidates), []
    step = (high - low) / (count - 1)
    for n in range(1, count - 1):
        middle = low + n * step
        inside = [c for c in left if abs(math.log(c.macs) - middle) <= step / 2]
        near = sorted(left, key=lambda c: abs(math.log(c.macs) - middle))[:1]
        best = max(inside or near, key=lambda c: (c.accuracy, -c.macs))
        left.remove(best)
        chosen.append(best)
    return [space.smallest(), *(c.config for c in sorted(chosen, key=lambda c: c.macs)), space.largest()]


def spread(labels: Tensor, count: int, seed: int) -> Tensor:
    """Indices of `count` random images, as many of each class (the first have one more if uneven)."""
    generator = torch.Generator().manual_seed(seed)
    classes = int(labels.max()) + 1
    picks = []
    for c in range(classes):
        own = torch.nonzero(labels == c).flatten()
        picks.append(own[torch.randperm(len(own), generator=generator)[:count // classes + (c < count % classes)]])
    order = torch.cat(picks)
    return order[torch.randperm(len(order), generator=generator)]
