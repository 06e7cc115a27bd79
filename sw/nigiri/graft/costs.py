"""What many stages would take of the devices, all at once: the rule of `nigiri.graft.fragment.instances` on arrays.

Re-alignment asks for thousands of stages that differ in their layers and budgets only.
"""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from nigiri.graft.fragment import MOST_INSTANCES, STEP, gathered
from nigiri.graft.profile import LAUNCH_MS, SIZES, Profile

__all__ = ["costs"]


@lru_cache(maxsize=4096)
def _rooms(streams: int) -> np.ndarray:
    """Requests that may gather for a launch, [sizes, instances]; column 0 is not used."""
    return np.array([[1.0, *(gathered(size, -(-streams // n)) for n in range(1, MOST_INSTANCES + 2))]
                     for size in SIZES])


def costs(profile: Profile, subnet: str, first: np.ndarray | int, end: np.ndarray | int, budget_ms: np.ndarray,
          rate: float, streams: int) -> np.ndarray:
    """Devices' worth of stages of layers `first` .. `end` - 1 ([points] or one for all) within `budget_ms` ([points,
    budgets]), each for `rate` a second of `streams` clients; infinite where a whole device is too slow."""
    rows, points = profile.ms[subnet], budget_ms.shape[0]
    begin, until = np.broadcast_to(first, points), np.broadcast_to(end, points)
    crossing = profile.crossing(subnet)
    alone = rows[:, until] - rows[:, begin] + np.outer(SIZES, crossing[begin] + crossing[until]) + LAUNCH_MS
    # Devices' worth of launches of one image each, before what they gather: [sizes, points].
    work, rooms, which = rate * alone / 1e3, _rooms(max(1, streams)), np.arange(len(SIZES))[:, None]
    count = np.full(alone.shape, MOST_INSTANCES + 1)
    for k in range(1, MOST_INSTANCES + 1):
        fits = (count > MOST_INSTANCES) & (work <= k * rooms[:, k, None])
        count[fits] = k
        if not (count > MOST_INSTANCES).any():
            break
    with np.errstate(divide="ignore"):
        least = np.where(budget_ms > 0, 2 * alone[:, :, None] / budget_ms, np.inf)
    out = np.full(budget_ms.shape, np.inf)
    for n in (count, np.minimum(count + 1, MOST_INSTANCES + 1)):
        load = work / (n * rooms[which, n])
        share = np.minimum(1.0, np.ceil(np.maximum(least, load[:, :, None]) / STEP - 1e-9) * STEP)
        total = np.where((least > 1) | (count > MOST_INSTANCES)[:, :, None], np.inf, n[:, :, None] * share)
        out = np.minimum(out, total.min(axis=0))
    out[until <= begin] = 0.0
    return out
