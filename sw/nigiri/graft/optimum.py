"""The best plan of a few fragments with stages of their own instances, as an integer program.

A column is a stage: some fragments, layers from one cut to another, a share, and the least budget that this share is
good for.  Every layer of every fragment is covered by one of its stages, and the budgets of a fragment's stages add up
to no more than it has.  Shares are in steps, so that the split of the budgets is exact; stages may follow each other
and join in any way, which re-alignment only searches.  SciPy's HiGHS solves it.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nigiri.graft.fragment import MOST_INSTANCES, STEP, Fragment, Plan, gathered
from nigiri.graft.profile import SIZES, Profile
from nigiri.graft.rounds import best_round
from nigiri.runtime.errors import BadArgument

__all__ = ["MOST", "Optimum", "best_rounds", "optimum"]

MOST = 6
"""Fragments that can be tried."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """total: devices' worth of the best plan that was found.  bound: no plan takes less; equal unless time ran out."""

    total: float
    bound: float
    columns: int


@dataclass(frozen=True)
class _Column:
    members: tuple[int, ...]
    first: int
    end: int
    budget_ms: float
    cost: float


def optimum(profile: Profile, fragments: Sequence[Fragment], plan: Plan, *, across: bool = False, points: int = 4,
            seconds: float = 30.0) -> Optimum:
    """The best plan that cuts where fragments begin, where `plan` does, and at `points` more cuts.

    across: stages may serve different SubNets where their layers are the same.  plan: one that is known, without hosts;
    no optimum is above it.

    Raises
    ------
    BadArgument: more than :data:`MOST` fragments, or the plan refuses some.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    if len(fragments) > MOST:
        raise BadArgument(f"the optimum of at most {MOST} fragments can be found, not of {len(fragments)}")
    if plan.refused:
        raise BadArgument("a fragment cannot be served by a whole device: it has no best plan")
    nodes = {s: _nodes(profile, fragments, plan, s, points) for s in {f.subnet for f in fragments}}
    columns = list(_columns(profile, fragments, plan, nodes, across))
    rows: list[np.ndarray] = []
    low, high = [], []
    for n, f in enumerate(fragments):
        mine = [n in c.members for c in columns]
        for a in (a for a in nodes[f.subnet][:-1] if a >= f.first):
            rows.append(np.array([m and c.first <= a < c.end for m, c in zip(mine, columns, strict=True)], float))
            low.append(1.0)
            high.append(1.0)
        rows.append(np.array([c.budget_ms / f.budget_ms if m else 0.0 for m, c in zip(mine, columns, strict=True)]))
        low.append(0.0)
        high.append(1 + 1e-9)
    found = milp(np.array([c.cost for c in columns]),
                 constraints=LinearConstraint(csr_array(np.array(rows)), low, high),
                 integrality=np.ones(len(columns)), bounds=Bounds(0, 1), options={"time_limit": seconds})
    total = plan.total if found.fun is None else min(plan.total, float(found.fun))
    bound = 0.0 if found.mip_dual_bound is None else float(found.mip_dual_bound)
    return Optimum(total=total, bound=min(total, bound), columns=len(columns))


def _nodes(profile: Profile, fragments: Sequence[Fragment], plan: Plan, subnet: str, points: int) -> list[int]:
    """Cuts that stages may begin and end at."""
    end = profile.layers(subnet)
    out = {end, *(f.first for f in fragments)}
    out |= {x for s in plan.stages for x in (s.first, s.end)}
    cuts = [c for c in profile.cuts[subnet] if min(f.first for f in fragments) < c < end]
    out |= set(cuts[len(cuts) // (2 * points)::max(1, len(cuts) // points)]) if cuts and points else set()
    return sorted(x for x in out if x <= end)


def _columns(profile: Profile, fragments: Sequence[Fragment], plan: Plan, nodes: dict[str, list[int]],
             across: bool) -> Iterator[_Column]:
    for s in plan.stages:
        yield _Column(s.fragments, s.first, s.end, s.budget_ms, s.instances.total)
    numbers = range(len(fragments))
    for members in (m for k in numbers for m in combinations(numbers, k + 1)):
        group = [fragments[n] for n in members]
        subnets = list(dict.fromkeys(f.subnet for f in group))
        if len(subnets) > 1 and not across:
            continue
        low, until = max(f.first for f in group), profile.common(subnets)
        cuts = sorted(set.intersection(*(set(nodes[s]) for s in subnets)))
        for first, end in combinations([c for c in cuts if low <= c <= until], 2):
            yield from _priced(profile, group, members, first, end, plan.total)


def _priced(profile: Profile, group: Sequence[Fragment], members: tuple[int, ...], first: int, end: int,
            most: float) -> Iterator[_Column]:
    """For every total share the smallest budget, none that a smaller share meets."""
    rate, streams = sum(f.rate for f in group), sum(max(1, len(f.clients)) for f in group)
    longest = min(f.budget_ms for f in group)
    best: dict[int, float] = {}
    for size in SIZES:
        alone = profile.latency(group[0].subnet, first, end, size)
        for count in range(1, MOST_INSTANCES + 1):
            load = rate / count * alone / (1e3 * gathered(size, -(-streams // count)))
            least = math.ceil(max(load, 2 * alone / longest) / STEP - 1e-9)
            if count * least * STEP > most + 1e-9:
                break
            if load > 1:
                continue
            for steps in range(max(1, least), min(round(1 / STEP), math.floor(most / STEP / count + 1e-9)) + 1):
                key = count * steps
                best[key] = min(best.get(key, math.inf), 2 * alone / (steps * STEP))
    now = math.inf
    for key in sorted(best):
        if best[key] < now - 1e-9:
            now = best[key]
            yield _Column(members, first, end, now, key * STEP)


def best_rounds(profile: Profile, fragments: Sequence[Fragment], across: bool = True) -> float:
    """Devices' worth of the best partition of a few fragments into rounds; infinite when one cannot be served.

    Raises
    ------
    BadArgument: more than :data:`MOST` fragments.
    """
    if len(fragments) > MOST:
        raise BadArgument(f"the optimum of at most {MOST} fragments can be found, not of {len(fragments)}")
    one = [best_round(profile, [f for n, f in enumerate(fragments) if group >> n & 1], across).share if group else 0.0
           for group in range(1 << len(fragments))]
    best = [0.0]
    for every in range(1, len(one)):
        # Subsets that hold the highest fragment, each with the best of the rest.
        top, group, least = 1 << every.bit_length() - 1, every, math.inf
        while group:
            if group & top:
                least = min(least, one[group] + best[every ^ group])
            group = (group - 1) & every
        best.append(least)
    return best[-1]
