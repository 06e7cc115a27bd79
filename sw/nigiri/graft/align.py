"""Re-alignment of a group: where its fragments join, and how their budgets are split (Graft, section on re-alignment).

`cover` finds the cheapest stages for fragments that all have to get to layer `end`: each by itself, or joined from a
layer P on that every fragment reaches in stages of its own, which may join in turn.  What is ours: fragments of
*different* SubNets join as well, as far as the SubNets' layers are the same; behind that each goes on alone.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nigiri.graft.costs import costs
from nigiri.graft.fragment import Fragment, Instances, Stage, instances
from nigiri.graft.profile import Profile

__all__ = ["GRID", "Piece", "Settings", "align", "merged"]

GRID = tuple(n / 20 for n in range(1, 20))
"""Shares of the smallest budget that the joined stage is tried with."""
POINTS = 12
"""Most layers that joining is tried at."""
TRIES = 4
"""Most promising points and budgets that are looked at closely."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """across: different SubNets join where their layers are the same.  realign: fragments of different first layers
    join.  points, grid, tries: how much is tried."""

    across: bool = True
    realign: bool = True
    points: int = POINTS
    grid: tuple[float, ...] = GRID
    tries: int = TRIES


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


def _by(pieces: Sequence[Piece], key: Callable[[Piece], object]) -> list[list[Piece]]:
    out: dict[object, list[Piece]] = {}
    for p in pieces:
        out.setdefault(key(p), []).append(p)
    return list(out.values())


def _apart(profile: Profile, pieces: Sequence[Piece], end: int) -> Found:
    """Pieces of the same first layer together or alone, whichever is cheaper."""
    total, stages = 0.0, tuple[Stage, ...]()
    for group in _by(pieces, lambda p: (p.subnet, p.first)):
        one = merged(profile, group, end)
        each = [merged(profile, [p], end) for p in group] if len(group) > 1 else [one]
        if one[0] <= sum(x for x, _ in each):
            total, stages = total + one[0], stages + one[1]
        else:
            total, stages = total + sum(x for x, _ in each), stages + tuple(s for _, y in each for s in y)
    return total, stages


def _together(profile: Profile, pieces: Sequence[Piece], first: np.ndarray | int, end: np.ndarray | int,
              budgets: np.ndarray) -> np.ndarray:
    """Devices' worth of one stage for `pieces` at every [point, budget]."""
    return costs(profile, pieces[0].subnet, first, end, budgets, sum(p.rate for p in pieces),
                 sum(p.streams for p in pieces))


def _before(profile: Profile, pieces: Sequence[Piece], points: np.ndarray,
            left: Callable[[Piece], np.ndarray]) -> np.ndarray:
    """Devices' worth of bringing pieces to every point, those of different first layers apart, within what is `left`
    to each for it, ms [points, budgets]."""
    out: np.ndarray | float = 0.0
    for group in _by(pieces, lambda p: p.first):
        each = [_together(profile, [p], p.first, points, left(p)) for p in group]
        one = np.array(each[0]) if len(group) == 1 else _together(
            profile, group, group[0].first, points, np.minimum.reduce([left(p) for p in group]))
        out = out + np.minimum(one, sum(each))
    return np.asarray(out)


def _points(profile: Profile, subnet: str, low: int, end: int, most: int) -> list[int]:
    """Layers to join at: `low`, and some cuts of one tensor behind it."""
    cuts = [c for c in profile.cuts[subnet] if low < c < end]
    step = max(1, -(-len(cuts) // max(1, most - 1)))
    return [low, *cuts[::step]]


def cover(profile: Profile, pieces: Sequence[Piece], end: int, settings: Settings, depth: int = 2) -> Found:
    """The cheapest stages that bring pieces of one SubNet to layer `end`.

    Every point and split of the budget is priced with what lies before it not joined; the most promising ones are then
    tried with what lies before them re-aligned in turn.
    """
    best = _apart(profile, pieces, end)
    if len(pieces) < 2 or not settings.realign or depth == 0:
        return best
    points = np.array(_points(profile, pieces[0].subnet, max(p.first for p in pieces), end, settings.points))
    spent = np.tile(np.array(settings.grid) * min(p.budget_ms for p in pieces), (len(points), 1))
    price = _together(profile, pieces, points, end, spent)
    price = price + _before(profile, pieces, points, lambda p: p.budget_ms - spent)
    order = np.argsort(price, axis=None, kind="stable")[:settings.tries if depth > 1 else 1]
    for k in order:
        if not price.flat[k] < math.inf:
            break
        at, budget = int(points[k // spent.shape[1]]), float(spent.flat[k])
        best = min(best, _joined(profile, pieces, at, budget, end, settings, depth), key=lambda x: x[0])
    return best


def _joined(profile: Profile, pieces: Sequence[Piece], at: int, budget: float, end: int, settings: Settings,
            depth: int) -> Found:
    """All pieces in one stage from layer `at` to `end` within `budget`."""
    one = merged(profile, [replace(p, first=at, budget_ms=budget) for p in pieces], end)
    rest = [replace(p, budget_ms=p.budget_ms - budget) for p in pieces if p.first < at]
    if not rest:
        return one
    before = cover(profile, rest, at, settings, depth - 1)
    return one[0] + before[0], one[1] + before[1]


def align(profile: Profile, fragments: Sequence[tuple[int, Fragment]], settings: Settings) -> Found:
    """(devices' worth, stages) of a group of (number, fragment); infinite when one of them cannot be served."""
    pieces = [Piece(n, f.subnet, f.first, f.budget_ms, f.rate, max(1, len(f.clients))) for n, f in fragments]
    groups = _by(pieces, lambda p: p.subnet)
    parts = [cover(profile, group, profile.layers(group[0].subnet), settings) for group in groups]
    best: Found = (sum(x for x, _ in parts), tuple(s for _, y in parts for s in y))
    if len(groups) > 1 and settings.across:
        fork = profile.common([g[0].subnet for g in groups])
        early = [p for p in pieces if p.first < fork]
        if len({p.subnet for p in early}) > 1:
            best = min(best, _forked(profile, pieces, early, fork, settings, best[0]), key=lambda x: x[0])
    return best


def _forked(profile: Profile, pieces: Sequence[Piece], early: Sequence[Piece], fork: int, settings: Settings,
            least: float) -> Found:
    """The common layers in one go, whichever SubNet follows, then every SubNet by itself; only if that promises to be
    cheaper than `least`."""
    low = max(p.first for p in early)
    cuts = [c for c in profile.cuts[early[0].subnet] if low < c <= fork]
    if not cuts:
        return NOTHING
    # As many layers as are common, or fewer.
    points = np.array(sorted({cuts[-1], *cuts[::max(1, len(cuts) // settings.points)]}))
    spent = np.tile(np.array(settings.grid) * min(p.budget_ms for p in early), (len(points), 1))
    numbers = {p.number for p in early}
    joint = [replace(p, subnet=early[0].subnet) for p in early]
    price = _before(profile, joint, points, lambda p: spent)
    groups = _by(pieces, lambda p: p.subnet)
    for group in groups:
        end = profile.layers(group[0].subnet)
        moved = [p for p in group if p.number in numbers]
        if moved:
            price += _together(profile, moved, points, end, min(p.budget_ms for p in moved) - spent)
        stay = [p for p in group if p.number not in numbers]
        if stay:
            price += _apart(profile, stay, end)[0]
    k = int(price.argmin())
    if not price.flat[k] < least:
        return NOTHING
    at, budget = int(points[k // spent.shape[1]]), float(spent.flat[k])
    total, stages = cover(profile, [replace(p, budget_ms=budget) for p in joint], at, settings, 1)
    for group in groups:
        later = [replace(p, first=at, budget_ms=p.budget_ms - budget) if p.number in numbers else p for p in group]
        more = cover(profile, later, profile.layers(group[0].subnet), settings, 1)
        total, stages = total + more[0], stages + more[1]
    return total, stages
