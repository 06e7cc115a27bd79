"""Configurations of elastic networks, checked: which values every entry of every field may have.  No torch."""
from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

from nigiri.runtime.errors import BadArgument

__all__ = ["Axis", "BadChoice", "Elastic"]

Number = int | float
C = TypeVar("C")


class BadChoice(BadArgument):
    """A configuration names a SubNet that the SuperNet does not contain."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One field of a configuration: the allowed values of each entry, and what one entry belongs to.

    per: plural noun for messages, e.g. "blocks".  block: entries belong to blocks that a smaller depth skips.
    """

    allowed: tuple[tuple[Number, ...], ...]
    per: str
    block: bool = False


class Elastic(Generic[C]):
    """The SubNets of one SuperNet: configurations of type `kind`, whose fields are the `axes`, in the same order.

    `used` says for each block whether a configuration runs it; entries of skipped blocks may also be 0.
    """

    def __init__(self, name: str, kind: type[C], axes: dict[str, Axis], used: Callable[[C], list[bool]]):
        self.name, self.kind, self.axes, self._used = name, kind, axes, used
        assert [f.name for f in fields(kind)] == list(axes)     # type: ignore[arg-type]

    def check(self, config: C) -> C:
        """`config` itself; BadChoice, which says the entry and what is allowed, when the SuperNet does not have it."""
        if not isinstance(config, self.kind):
            raise BadChoice(f"{self.name} takes a {self.kind.__name__}, not {type(config).__name__}")
        for field, axis in self.axes.items():
            values = getattr(config, field)
            if not isinstance(values, tuple) or len(values) != len(axis.allowed):
                got = f"has {len(values)} entries" if isinstance(values, tuple) else f"is {values!r}"
                raise BadChoice(f"{field} of {self.name} {got}: a tuple with one entry for each of the "
                                f"{len(axis.allowed)} {axis.per} is needed")
        # Depth comes first: the blocks in use follow from it.
        for field, axis in sorted(self.axes.items(), key=lambda item: item[1].block):
            used = self._used(config) if axis.block else [True] * len(axis.allowed)
            for n, (value, allowed) in enumerate(zip(getattr(config, field), axis.allowed, strict=True)):
                if isinstance(value, bool) or (value not in allowed and (value != 0 or used[n])):
                    raise BadChoice(f"{field}[{n}] of {self.name} is {value!r}: "
                                    f"allowed are {', '.join(map(str, allowed))}")
        return config

    def used(self, config: C) -> list[bool]:
        """For each block of the SuperNet, whether the SubNet runs it."""
        return self._used(config)

    def pick(self, choose: Callable[[tuple[Number, ...]], Number]) -> C:
        """The configuration whose entries `choose` takes from the allowed values."""
        return self.kind(**{field: tuple(map(choose, axis.allowed)) for field, axis in self.axes.items()})

    def largest(self) -> C:
        return self.pick(max)

    def smallest(self) -> C:
        return self.pick(min)

    def sample(self, rng: random.Random) -> C:
        """Every entry drawn evenly and on its own."""
        return self.pick(rng.choice)

    def uniform(self, **values: Number | Iterable[Number]) -> C:
        """A configuration from one value per field, or one per entry; fields left out are at their largest."""
        unknown = sorted(set(values) - set(self.axes))
        if unknown:
            raise BadChoice(f"{self.name} has no field {unknown[0]!r}: its fields are {', '.join(self.axes)}")
        full = {}
        for field, axis in self.axes.items():
            value = values.get(field)
            if value is None:
                full[field] = tuple(map(max, axis.allowed))
            else:
                full[field] = tuple(value) if isinstance(value, Iterable) else (value,) * len(axis.allowed)
        return self.check(self.kind(**full))

    def canonical(self, config: C) -> C:
        """The same SubNet with the entries of skipped blocks set to 0, so that equal SubNets compare equal."""
        used = self.used(self.check(config))
        return self.kind(**{
            field: tuple(v if on or not axis.block else 0 for v, on in
                         zip(getattr(config, field), used if axis.block else [True] * len(axis.allowed), strict=True))
            for field, axis in self.axes.items()})
