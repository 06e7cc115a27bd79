"""The best plan of a few fragments: every partition into groups, each re-aligned as well as the grid allows.

The partition is an exact set-partitioning program, solved by SciPy's HiGHS; a group's cost is that of
:func:`nigiri.graft.align.align` with a finer grid and all cuts.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from nigiri.graft.align import Settings, align
from nigiri.graft.fragment import Fragment
from nigiri.graft.profile import Profile
from nigiri.runtime.errors import BadArgument

__all__ = ["FINE", "MOST", "optimum"]

MOST = 8
"""Fragments that can be tried."""
FINE = Settings(points=64, grid=tuple(n / 20 for n in range(1, 20)))


def optimum(profile: Profile, fragments: Sequence[Fragment], settings: Settings = FINE) -> float:
    """Devices' worth of the best plan.

    Raises
    ------
    BadArgument: more than :data:`MOST` fragments, or one that cannot be served.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    if len(fragments) > MOST:
        raise BadArgument(f"the optimum of at most {MOST} fragments can be found, not of {len(fragments)}")
    numbered = list(enumerate(fragments))
    groups = [g for k in range(1, len(numbered) + 1) for g in combinations(numbered, k)]
    costs = np.array([align(profile, g, settings)[0] for g in groups])
    usable = [n for n, c in enumerate(costs) if c < math.inf]
    cover = np.array([[float(any(n == f for n, _ in groups[g])) for g in usable] for f in range(len(fragments))])
    if not (cover.sum(1) > 0).all():
        raise BadArgument("a fragment cannot be served by a whole device: it has no best plan")
    found = milp(costs[usable], constraints=LinearConstraint(cover, 1, 1), integrality=np.ones(len(usable)),
                 bounds=Bounds(0, 1))
    return float(found.fun)
