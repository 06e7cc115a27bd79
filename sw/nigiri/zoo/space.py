"""The SubNets that a SuperNet of the zoo has: drawing, changing, crossing and reading them.

A SubNet is a :class:`Choice` whose unused blocks are 0, so that equal SubNets are equal choices.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from nigiri.zoo import resnet
from nigiri.zoo.errors import BadConfiguration
from nigiri.zoo.mobilenet import DEPTH, MobileNetV3
from nigiri.zoo.plan import Choice, Family

__all__ = ["Space", "space_of"]

Options = tuple[tuple[float, ...], ...]
"""For every position of a list, the values that may stand there."""
MUTATE = 0.1
"""Chance of a position to be drawn again: Once-for-All's search, `arch_mutate_prob`."""
MUTATE_SIDE = 0.5
"""The same for the image side: `resolution_mutate_prob`."""
OFA_KEYS = {"depth": "d", "expand": "e", "width": "w", "kernel": "ks"}
"""How Once-for-All calls the parts of a configuration; the image side is "r" or "image_size"."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """All SubNets of one SuperNet.

    sides: image sides.  depth, expand, width, kernel: values by position; width or kernel may be empty.
    used: whether the block at a position of expand and kernel is used, from the depths.
    """

    name: str
    sides: tuple[int, ...]
    depth: Options
    expand: Options
    width: Options = ()
    kernel: Options = ()
    used: Callable[[Sequence[int]], list[bool]]

    def choice(self, side: int, parts: Mapping[str, Sequence[float]]) -> Choice:
        """The SubNet with these lists; unused blocks become 0."""
        keep = self.used([int(d) for d in parts["depth"]])
        expand = tuple(e if k else 0 for e, k in zip(parts["expand"], keep, strict=True))
        kernel = tuple(int(e) if k else 0 for e, k in zip(parts.get("kernel", ()), keep, strict=False))
        return Choice(side=side, depth=tuple(map(int, parts["depth"])), expand=expand, kernel=kernel,
                      width=tuple(map(int, parts.get("width", ()))))

    def _options(self) -> dict[str, Options]:
        parts = {"depth": self.depth, "expand": self.expand, "width": self.width, "kernel": self.kernel}
        return {key: options for key, options in parts.items() if options}

    def smallest(self) -> Choice:
        """The least of everything."""
        return self.choice(self.sides[0], {k: [o[0] for o in options] for k, options in self._options().items()})

    def largest(self) -> Choice:
        """The most of everything."""
        return self.choice(self.sides[-1], {k: [o[-1] for o in options] for k, options in self._options().items()})

    def random(self, rng: np.random.Generator) -> Choice:
        """Every part drawn evenly."""
        return self.choice(int(rng.choice(self.sides)), {
            k: [o[rng.integers(len(o))] for o in options] for k, options in self._options().items()})

    def mutate(self, parent: Choice, rng: np.random.Generator) -> Choice:
        """A SubNet with some parts drawn again; blocks that come into use are drawn."""
        side = int(rng.choice(self.sides)) if rng.random() < MUTATE_SIDE else parent.side
        return self.choice(side, {
            k: [o[rng.integers(len(o))] if rng.random() < MUTATE or old not in o else old
                for o, old in zip(options, getattr(parent, k), strict=True)] for k, options in self._options().items()})

    def cross(self, a: Choice, b: Choice, rng: np.random.Generator) -> Choice:
        """Every part from one of two parents; blocks that neither uses are drawn."""
        side = (a, b)[rng.integers(2)].side
        out: dict[str, list[float]] = {}
        for k, options in self._options().items():
            pairs = zip(options, getattr(a, k), getattr(b, k), strict=True)
            out[k] = []
            for o, *both in pairs:
                have = [x for x in both if x in o]
                out[k].append(have[rng.integers(len(have))] if have else o[rng.integers(len(o))])
        return self.choice(side, out)

    def size(self) -> int:
        """The number of SubNets, image sides included."""
        total = 0
        for depth in product(*self.depth):
            count = 1
            for n, keep in enumerate(self.used([int(d) for d in depth])):
                count *= len(self.expand[n]) * (len(self.kernel[n]) if self.kernel else 1) if keep else 1
            total += count
        for options in self.width:
            total *= len(options)
        return total * len(self.sides)

    def to_json(self, choice: Choice) -> dict[str, Any]:
        """The configuration as Once-for-All writes it: lists "d", "e", and "w" or "ks"; "r" is the image side."""
        return {OFA_KEYS[k]: list(getattr(choice, k)) for k in self._options()} | {"r": choice.side}

    def from_json(self, data: object) -> Choice:
        """The inverse; "image_size" may stand for "r".

        Raises
        ------
        BadConfiguration: says which part is not of this SuperNet.
        """
        if not isinstance(data, dict):
            raise BadConfiguration(f"a SubNet of {self.name} must be an object with {self._wanted()}, not "
                                   f"{json.dumps(data)[:60]}")
        parts = {k: data.get(OFA_KEYS[k]) for k in self._options()}
        side = data.get("r", data.get("image_size"))
        side = side[0] if isinstance(side, list) and len(side) == 1 else side
        if side not in self.sides:
            raise BadConfiguration(f"a SubNet of {self.name} must have an image side (\"r\") of "
                                   f"{', '.join(map(str, self.sides))}, not {side!r}")
        keep: list[bool] = []
        for k, options in self._options().items():
            values = parts[k]
            if not isinstance(values, list) or len(values) != len(options):
                raise BadConfiguration(f"a SubNet of {self.name} must have a list {OFA_KEYS[k]!r} of {len(options)} "
                                       f"numbers: it needs {self._wanted()}")
            for n, (o, x) in enumerate(zip(options, values, strict=True)):
                unused = k in ("expand", "kernel") and not keep[n]
                if isinstance(x, bool) or not isinstance(x, int | float) or (x not in o and not unused):
                    raise BadConfiguration(f"number {n} of {OFA_KEYS[k]!r} of a SubNet of {self.name} must be one of "
                                           f"{', '.join(f'{v:g}' for v in o)}, not {x!r}")
            if k == "depth":
                keep = self.used(values)
        return self.choice(side, {k: v for k, v in parts.items() if isinstance(v, list)})

    def _wanted(self) -> str:
        lists = [f"{OFA_KEYS[k]!r} ({len(options)} numbers)" for k, options in self._options().items()]
        return ", ".join([*lists, "'r'"])


def _mobilenet(family: MobileNetV3) -> Space:
    smallest = 160 if family.first > 16 else 128          # what the two SuperNets were trained with
    return Space(name=family.name, sides=tuple(range(smallest, 225, 16)), depth=((2, 3, 4),) * 5,
                 expand=((3, 4, 6),) * 20, kernel=((3, 5, 7),) * 20,
                 used=lambda d: [b < d[s] for s in range(5) for b in range(DEPTH)])


def _resnet(family: resnet.ResNet50) -> Space:
    return Space(name=family.name, sides=(128, 160, 192, 224), depth=((0, 2),) + ((0, 1, 2),) * 4,
                 expand=(resnet.EXPANDS,) * 18, width=((0, 1, 2),) * 6,
                 used=lambda d: [b < resnet.BLOCKS[s] + d[1 + s] for s in range(4) for b in range(resnet.MOST[s])])


def space_of(family: Family) -> Space:
    """The SubNets of a family of the zoo.

    Raises
    ------
    BadConfiguration: its search space is not described here.
    """
    if isinstance(family, MobileNetV3):
        return _mobilenet(family)
    if isinstance(family, resnet.ResNet50):
        return _resnet(family)
    raise BadConfiguration(f"there is no search space for network {family.name!r}: choose a MobileNetV3 or ResNet50")
