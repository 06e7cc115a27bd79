"""Places buffers in the activation buffer: first fit over their live ranges, in a few orders."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from nigiri.compiler.buffers import Buffer

__all__ = ["place"]


class _Group:
    """Buffers that share one place, because each is written over the one before.

    first, last, words: over all members, kept up to date as they are added: placing asks for them millions of times.
    """

    def __init__(self, first: Buffer):
        self.members = [first]
        self.first, self.last, self.words = first.first, first.last, first.words
        self.base = -1

    def add(self, b: Buffer) -> None:
        self.members.append(b)
        self.first, self.last = min(self.first, b.first), max(self.last, b.last)
        self.words = max(self.words, b.words)

    @property
    def end(self) -> int:
        return self.base + self.words

    def over(self, other: _Group) -> int | None:
        """How far below `other` this group must begin to be written over it; None if it may not."""
        gaps = [b.over_gap for b in self.members if b.over_gap and b.over in other.members]
        # The rest of the group's life must not see the other one any more.
        return gaps[0] if gaps and self.first >= other.last else None


def _groups(buffers: Sequence[Buffer]) -> list[_Group]:
    of: dict[int, _Group] = {}
    out = []
    for b in buffers:
        if b.over is not None and not b.over_gap:
            group = of[id(b.over)]
            group.add(b)
        else:
            group = _Group(b)
            out.append(group)
        of[id(b)] = group
    return out


def _lowest(group: _Group, placed: list[_Group], start: int) -> int:
    """The lowest base from `start` on at which `group` disturbs nothing that is live at the same time."""
    taken = []
    for other in placed:
        if other.first <= group.last and group.first <= other.last:
            below, above = group.over(other), other.over(group)
            low = other.base - (group.words if below is None else below)
            taken.append((low, other.base + (other.words if above is None else above)))
    base = start
    for low, high in sorted(taken):
        if base <= low:
            # Every later interval begins higher, and a base at or below its lower end does not touch it.
            break
        base = max(base, high)
    return base


def place(buffers: Sequence[Buffer], words: int) -> int:
    """Give every buffer a base; returns the words that the best order found needs, at most `words` if all fit."""
    groups = _groups(buffers)
    # A tensor that an average pool is written over needs room for the pool's planes below it.
    room = {id(g): max((b.over_gap for b in buffers if b.over_gap and b.over in g.members), default=0) for g in groups}
    orders: list[Callable[[_Group], tuple[int, int]]] = [
        lambda g: (g.first, 0), lambda g: (-g.words, g.first), lambda g: (-g.words * (g.last - g.first + 1), 0),
        lambda g: (-(g.last - g.first), -g.words), lambda g: (-int(bool(room[id(g)])), -g.words)]
    best, found = -1, [0] * len(groups)
    for raised in (False, True) if any(room.values()) else (False,):
        for order in orders:
            placed: list[_Group] = []
            for g in sorted(groups, key=order):
                g.base = _lowest(g, placed, room[id(g)] if raised else 0)
                placed.append(g)
            top = max(g.end for g in groups)
            if best < 0 or top < best:
                best, found = top, [g.base for g in groups]
            if best <= words:
                break
        if best <= words:
            break
    for g, base in zip(groups, found, strict=True):
        for b in g.members:
            b.base = base
    return best
