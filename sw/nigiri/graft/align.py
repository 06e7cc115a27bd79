"""Re-alignment of a group: where its fragments join, and how their budgets are split (Graft, section on re-alignment).

`cover` finds the cheapest stages for fragments that all have to get to layer `end`: each by itself, or joined from a
layer P on that every fragment reaches in stages of its own, which may join in turn.  What is ours: fragments of
*different* SubNets join as well, as far as the SubNets' layers are the same; behind that each goes on alone.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nigiri.graft.fragment import Fragment, Instances, Stage, instances
from nigiri.graft.profile import Profile

__all__ = ["GRID", "Piece", "Settings", "align", "merged"]

GRID = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""Shares of the smallest budget that the joined stage is tried with."""
POINTS = 8
"""Most layers that joining is tried at."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """across: different SubNets join where their layers are the same.  realign: fragments of different first layers
    join.  points, grid: how much is tried."""

    across: bool = True
    realign: bool = True
    points: int = POINTS
    grid: tuple[float, ...] = GRID


@dataclass(frozen=True)
class Piece:
    """A fragment on its way: `number` in the plan, where it is, what it has left."""

    number: int
    subnet: str
    first: int
    budget_ms: float
    rate: float
    streams: int = 1


Found = tuple[float, tuple[Stage, ...]]
NOTHING: Found = (math.inf, ())


def merged(profile: Profile, pieces: Sequence[Piece], end: int) -> Found:
    """One stage for pieces that begin at the same layer."""
    p = pieces[0]
    budget, rate = min(x.budget_ms for x in pieces), sum(x.rate for x in pieces)
    # Budgets and rates of a thousandth more or less are the same to the memory of results.
    found = instances(profile, p.subnet, p.first, end, math.floor(budget * 1e3) / 1e3,
                      math.ceil(rate * 1e3) / 1e3, sum(x.streams for x in pieces))
    if found is None:
        return NOTHING
    return found.total, _stage(p.subnet, p.first, end, budget, rate, pieces, found)


def _stage(subnet: str, first: int, end: int, budget: float, rate: float, pieces: Sequence[Piece],
           found: Instances) -> tuple[Stage, ...]:
    if not found.count:
        return ()
    return (Stage(subnet=subnet, first=first, end=end, budget_ms=budget, rate=rate,
                  fragments=tuple(x.number for x in pieces), instances=found),)


def _apart(profile: Profile, pieces: Sequence[Piece], end: int) -> Found:
    """Pieces of the same first layer together or alone, whichever is cheaper."""
    total, stages = 0.0, tuple[Stage, ...]()
    by_first: dict[tuple[str, int], list[Piece]] = {}
    for p in pieces:
        by_first.setdefault((p.subnet, p.first), []).append(p)
    for group in by_first.values():
        one = merged(profile, group, end)
        each = [merged(profile, [p], end) for p in group]
        if one[0] <= sum(x for x, _ in each):
            total, stages = total + one[0], stages + one[1]
        else:
            total, stages = total + sum(x for x, _ in each), stages + tuple(s for _, y in each for s in y)
    return total, stages


def _points(profile: Profile, subnet: str, low: int, end: int, most: int) -> list[int]:
    """Layers to join at: `low`, and some cuts of one tensor behind it."""
    cuts = [c for c in profile.cuts[subnet] if low < c < end]
    step = max(1, -(-len(cuts) // max(1, most - 1)))
    return [low, *cuts[::step]]


def cover(profile: Profile, pieces: Sequence[Piece], end: int, settings: Settings, depth: int = 2) -> Found:
    """The cheapest stages that bring pieces of one SubNet to layer `end`."""
    best = _apart(profile, pieces, end)
    if len(pieces) < 2 or not settings.realign or depth == 0:
        return best
    for at in _points(profile, pieces[0].subnet, max(p.first for p in pieces), end, settings.points):
        best = min(best, _joined(profile, pieces, at, end, settings, depth), key=lambda x: x[0])
    return best


def _joined(profile: Profile, pieces: Sequence[Piece], at: int, end: int, settings: Settings, depth: int) -> Found:
    """All pieces in one stage from layer `at` to `end`."""
    best = NOTHING
    rest = [p for p in pieces if p.first < at]
    least = min(p.budget_ms for p in pieces)
    for share in settings.grid if rest else (1.0,):
        budget = share * least
        one = merged(profile, [replace(p, first=at, budget_ms=budget) for p in pieces], end)
        if one[0] >= best[0]:
            continue
        before: Found = (0.0, ())
        if rest:
            shorter = [replace(p, budget_ms=p.budget_ms - budget) for p in rest]
            before = cover(profile, shorter, at, settings, depth - 1)
        if one[0] + before[0] < best[0]:
            best = one[0] + before[0], one[1] + before[1]
    return best


def _by_subnet(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    for subnet in dict.fromkeys(p.subnet for p in pieces):
        yield [p for p in pieces if p.subnet == subnet]


def align(profile: Profile, fragments: Sequence[tuple[int, Fragment]], settings: Settings) -> Found:
    """(devices' worth, stages) of a group of (number, fragment); infinite when one of them cannot be served."""
    pieces = [Piece(n, f.subnet, f.first, f.budget_ms, f.rate, max(1, len(f.clients))) for n, f in fragments]
    parts = [cover(profile, group, profile.layers(group[0].subnet), settings) for group in _by_subnet(pieces)]
    best: Found = (sum(x for x, _ in parts), tuple(s for _, y in parts for s in y))
    subnets = list(dict.fromkeys(p.subnet for p in pieces))
    if len(subnets) > 1 and settings.across:
        fork = profile.common(subnets)
        early = [p for p in pieces if p.first < fork]
        if len({p.subnet for p in early}) > 1:
            best = min(best, _forked(profile, pieces, early, fork, settings), key=lambda x: x[0])
    return best


def _forked(profile: Profile, pieces: Sequence[Piece], early: Sequence[Piece], fork: int, settings: Settings) -> Found:
    """The common layers in one go, whichever SubNet follows, then every SubNet by itself."""
    best = NOTHING
    least = min(p.budget_ms for p in early)
    numbers = {p.number for p in early}
    cuts = [c for c in profile.cuts[early[0].subnet] if max(p.first for p in early) < c <= fork]
    # As many layers as are common, or as few as join at all.
    for at in sorted({cuts[-1], cuts[len(cuts) // 2]} if cuts else set()):
        for share in settings.grid:
            joint = [replace(p, subnet=early[0].subnet, budget_ms=share * least) for p in early]
            first = cover(profile, joint, at, settings, 1)
            if first[0] >= best[0]:
                continue
            total, stages = first
            for group in _by_subnet(pieces):
                later = [replace(p, first=at, budget_ms=p.budget_ms - share * least) if p.number in numbers else p
                         for p in group]
                more = cover(profile, later, profile.layers(group[0].subnet), settings, 1)
                total, stages = total + more[0], stages + more[1]
            if total < best[0]:
                best = total, stages
    return best
