"""Fragments of clients, stages that serve them, and what a stage takes of the devices."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from nigiri.graft.profile import SIZES, Profile
from nigiri.runtime.errors import BadArgument

__all__ = ["MOST_INSTANCES", "STEP", "Fragment", "Host", "Instances", "Plan", "Stage", "gathered", "instances", "total"]

STEP = 0.01
"""Shares of a device are given in steps of one per cent."""
MOST_INSTANCES = 64
"""Of one stage."""


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """What a client leaves to the server: layers `first` and later of a SubNet, within `budget_ms`, `rate` a second.

    clients: that it stands for.
    """

    subnet: str
    first: int
    budget_ms: float
    rate: float
    clients: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.first < 0 or not self.budget_ms > 0 or not self.rate > 0:
            raise BadArgument(f"a fragment needs a first layer from 0 on, a positive budget and a positive rate, not "
                              f"{self.first}, {self.budget_ms:g} ms and {self.rate:g} a second")


@dataclass(frozen=True, kw_only=True)
class Instances:
    """`count` time shares of devices that launch up to `size` images; share: of a device, of each."""

    count: int
    size: int
    share: float

    @property
    def total(self) -> float:
        """Devices' worth."""
        return self.count * self.share


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Layers `first` .. `end` - 1, the same for all `fragments` (by number in the plan), within `budget_ms`.

    subnet: whose layers; where SubNets share a prefix, any of those that do.
    """

    subnet: str
    first: int
    end: int
    budget_ms: float
    rate: float
    fragments: tuple[int, ...]
    instances: Instances


@dataclass(frozen=True, kw_only=True)
class Host:
    """One time share of a device that launches several stages in rounds (:mod:`nigiri.graft.rounds`).

    stages: by number in the plan, in the order of the round.  sizes: most images of a launch of each.  share: of the
    device.
    """

    stages: tuple[int, ...]
    sizes: tuple[int, ...]
    share: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """fragments: that were asked for.  stages: in any order; a fragment's are those that list it, by first layer.

    refused: fragments that no share of a device can serve in time.  hosts: of stages that share an instance; all others
    have their own ones.
    """

    fragments: tuple[Fragment, ...]
    stages: tuple[Stage, ...]
    refused: tuple[int, ...] = ()
    hosts: tuple[Host, ...] = ()

    @property
    def total(self) -> float:
        """Devices' worth of all instances."""
        return sum(s.instances.total for _, s in self.own) + sum(h.share for h in self.hosts)

    @property
    def own(self) -> list[tuple[int, Stage]]:
        """(number, stage) of those with instances of their own."""
        hosted = {n for h in self.hosts for n in h.stages}
        return [(n, s) for n, s in enumerate(self.stages) if n not in hosted]

    def path(self, fragment: int) -> list[Stage]:
        """The stages of a fragment in the order of its layers."""
        return [self.stages[n] for n in self.numbers(fragment)]

    def numbers(self, fragment: int) -> list[int]:
        """Of :meth:`path`."""
        mine = [n for n, s in enumerate(self.stages) if fragment in s.fragments]
        return sorted(mine, key=lambda n: self.stages[n].first)


def gathered(size: int, streams: int) -> float:
    """Requests that may come on average while a launch of `size` runs, so that hardly ever more than `size` do.

    As many clients as images or fewer cannot be too many; of more, mean plus two standard deviations have to fit, as if
    they came at random.
    """
    return size if streams <= size else (math.sqrt(1 + size) - 1) ** 2


@lru_cache(maxsize=500_000)
def instances(profile: Profile, subnet: str, first: int, end: int, budget_ms: float, rate: float,
              streams: int = 1) -> Instances | None:
    """The least share that serves `rate` of `streams` clients within `budget_ms`; None when a whole device is too slow.

    While a launch runs the next one gathers, so a request waits no longer than a launch takes (Graft's rule for
    batches): a launch may take half the budget, and what gathers has to fit the next one (:func:`gathered`).  A share s
    of a device is time slicing: a launch takes 1 / s of its time alone.
    """
    if end <= first:
        return Instances(count=0, size=1, share=0.0)
    best: Instances | None = None
    for size in SIZES:
        alone = profile.latency(subnet, first, end, size)
        if 2 * alone > budget_ms:
            break
        least = 2 * alone / budget_ms
        for count in range(1, MOST_INSTANCES + 1):
            each = -(-streams // count)
            load = rate / count * alone / (1e3 * gathered(size, each))
            if load <= 1:
                break
        else:
            continue
        for n in (count, count + 1):
            load = rate / n * alone / (1e3 * gathered(size, -(-streams // n)))
            share = min(1.0, math.ceil(max(least, load) / STEP - 1e-9) * STEP)
            found = Instances(count=n, size=size, share=round(share, 4))
            if best is None or found.total < best.total - 1e-9:
                best = found
    return best


def total(found: Sequence[Instances | None]) -> float:
    """Devices' worth; infinite when one is None."""
    return sum((x.total if x else math.inf) for x in found)
