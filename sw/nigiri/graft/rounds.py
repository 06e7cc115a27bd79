"""Stages that take turns in one time share, whichever SubNets and layers they are of (ours; not in Graft).

An instance on a GPU is a process with one model.  Here all SubNets of a SuperNet lie in one window over one weight
image, and another program is one more launch: a share may walk through the programs of a whole group in *rounds*.  The
layers of a group form a tree, as far as its SubNets agree; it is cut where a fragment comes in and where SubNets part.
A round launches every piece that has requests, in the order of the tree, so that a request passes all its pieces in one
round:

    fragments     (a, 0)  (a, 3)  (b, 0)               a and b are equal up to layer 6
    round         [0, 3) of a, b   [3, 6) of a, b   [6, L) of a   [6, L) of b   and again

It waits for one round at most, C, before its first launch begins, and then for the launches up to its last one, l:
(C + l) / s must fit its budget, s being the share, and what gathers in C / s the launches of each piece.  For a group
of one this is Graft's rule; stages apart would each be charged twice their launch, and split the budget.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nigiri.graft.fragment import STEP, Fragment, gathered
from nigiri.graft.profile import SIZES, Profile

__all__ = ["Round", "Turn", "apart", "best_round", "tree"]


@dataclass(frozen=True)
class Turn:
    """Layers `first` .. `end` - 1 of SubNet `subnet`, the same for all `members` (positions in the group)."""

    subnet: str
    first: int
    end: int
    members: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Round:
    """turns: in their order.  sizes: most images of a launch of each.  share: of a device; infinite: it cannot be."""

    turns: tuple[Turn, ...]
    sizes: tuple[int, ...]
    share: float


NEVER = Round(turns=(), sizes=(), share=math.inf)


def tree(profile: Profile, group: Sequence[Fragment], across: bool = True) -> list[Turn]:
    """The layers of a group once each, in an order in which every fragment meets its own; across: SubNets share what
    they have in common."""
    subnets = list(dict.fromkeys(f.subnet for f in group))
    if across:
        return _walk(profile, group, subnets, 0)
    return [t for s in subnets for t in _walk(profile, group, [s], 0)]


def _walk(profile: Profile, group: Sequence[Fragment], subnets: list[str], at: int) -> list[Turn]:
    """The turns of fragments of `subnets`, which are equal up to layer `at` at least."""
    fork = profile.common(subnets)
    ends = {profile.layers(s) for s in subnets} == {fork}
    # SubNets part where one tensor is handed on.
    until = fork if ends else max((c for c in profile.cuts[subnets[0]] if at <= c <= fork), default=at)
    inside = [n for n, f in enumerate(group) if f.subnet in subnets]
    cuts = sorted({at, until, *(f.first for f in (group[n] for n in inside) if at < f.first < until)})
    out = []
    for first, end in pairwise(cuts):
        members = tuple(n for n in inside if group[n].first <= first)
        if members:
            out.append(Turn(group[members[0]].subnet, first, end, members))
    if ends:
        return out
    by: dict[str, list[str]] = {}
    for s in subnets:
        by.setdefault(profile.ids[s][fork] if fork < profile.layers(s) else "", []).append(s)
    return out + [t for branch in by.values() for t in _walk(profile, group, branch, until)]


def apart(profile: Profile, group: Sequence[Fragment]) -> list[Turn]:
    """Every fragment's layers in a turn of its own, those of the same first layer and SubNet together."""
    by: dict[tuple[str, int], list[int]] = {}
    for n, f in enumerate(group):
        by.setdefault((f.subnet, f.first), []).append(n)
    return [Turn(s, first, profile.layers(s), tuple(members)) for (s, first), members in by.items()]


def _sized(profile: Profile, group: Sequence[Fragment], turns: Sequence[Turn]) -> Round:
    """The smallest share of a round.  Launches begin with one image each; as long as one of them cannot keep up within
    the share that the budgets ask for, it becomes larger."""
    ms = [[profile.latency(t.subnet, t.first, t.end, size) for size in SIZES] for t in turns]
    rates = [sum(group[n].rate for n in t.members) for t in turns]
    streams = [sum(max(1, len(group[n].clients)) for n in t.members) for t in turns]
    spans = [[k for k, t in enumerate(turns) if n in t.members] for n in range(len(group))]
    sizes, best = [0] * len(turns), NEVER
    while True:
        ends = [0.0]
        for row, k in zip(ms, sizes, strict=True):
            ends.append(ends[-1] + row[k])
        waits = max((ends[-1] + ends[s[-1] + 1] - ends[s[0]]) / f.budget_ms for f, s in zip(group, spans, strict=True))
        loads = [rate * ends[-1] / (1e3 * gathered(SIZES[k], n))
                 for rate, k, n in zip(rates, sizes, streams, strict=True)]
        share = round(math.ceil(max(waits, *loads) / STEP - 1e-9) * STEP, 4)
        if share <= 1 and share < best.share - 1e-9:
            best = Round(turns=tuple(turns), sizes=tuple(SIZES[k] for k in sizes), share=share)
        slowest = max(range(len(turns)), key=lambda n: loads[n])
        if loads[slowest] <= waits or sizes[slowest] + 1 == len(SIZES):
            return best
        sizes[slowest] += 1


def best_round(profile: Profile, group: Sequence[Fragment], across: bool = True, realign: bool = True) -> Round:
    """The smallest share that serves a group in rounds: layers shared as a tree, by SubNet, or not at all.

    across, realign: what may be shared, between SubNets and between first layers.
    """
    options = [apart(profile, group)]
    if realign:
        options.append(tree(profile, group, False))
        if across and len({f.subnet for f in group}) > 1:
            options.append(tree(profile, group))
    return min((_sized(profile, group, o) for o in options), key=lambda r: r.share)
