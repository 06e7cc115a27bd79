"""Shares the time of several devices among the models of a cascade, so that most queries a second are served.

For accelerators that switch between SubNets at no cost: a device may serve several models in turn, and is limited by
its time and by what its cache holds of their weights.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nigiri.cascade.errors import PlannerError
from nigiri.cascade.planner import Device, Model

__all__ = ["Shares", "balance"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """share: float64 [models, devices], of a device's time.  rate: queries a second."""

    share: np.ndarray
    rate: float


def balance(models: Sequence[Model], devices: Sequence[Device]) -> Shares:
    """The largest rate, with the models on as few devices as it allows (mixed-integer program, SciPy's HiGHS).

    A model takes `memory` on each device that serves it; `latency_s` is of one query, `reach` its share of all queries.

    Raises
    ------
    PlannerError: no models or devices, or a model that fits no device.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    m, g = len(models), len(devices)
    if not m or not g:
        raise PlannerError(f"balancing needs models and devices, not {m} and {g}")
    for x in models:
        if x.latency_s <= 0 or not 0 < x.reach <= 1 or x.memory > max(d.memory for d in devices):
            raise PlannerError(f"model {x.name!r} needs a positive latency, a reach above 0 and at most 1, and no more "
                               f"memory than a device has")
    best = g / sum(x.latency_s * x.reach for x in models)         # all devices busy all the time
    # Variables: shares [m, g], places [m, g], the rate as a part of `best`.
    n = 2 * m * g + 1
    rows, low, high = list[np.ndarray](), list[float](), list[float]()

    def add(row: np.ndarray, least: float, most: float) -> None:
        rows.append(row)
        low.append(least)
        high.append(most)

    for d in range(g):
        time, room = np.zeros(n), np.zeros(n)
        time[d:m * g:g] = 1
        room[m * g + d:2 * m * g:g] = [x.memory for x in models]
        add(time, 0, 1)
        add(room, 0, devices[d].memory)
    for i, x in enumerate(models):
        enough = np.zeros(n)
        enough[i * g:(i + 1) * g] = 1
        enough[-1] = -x.latency_s * x.reach * best
        add(enough, 0, np.inf)
        for d in range(g):
            only = np.zeros(n)
            only[i * g + d], only[m * g + i * g + d] = 1, -1
            add(only, -1, 0)
    cost = np.concatenate([np.zeros(m * g), np.full(m * g, 1e-4), [-1.0]])
    whole = np.concatenate([np.zeros(m * g), np.ones(m * g), [0.0]])
    done = milp(cost, integrality=whole, bounds=Bounds(0, 1), options={"time_limit": 20.0},
                constraints=LinearConstraint(np.array(rows), np.array(low), np.array(high)))
    if done.x is None or done.x[-1] <= 0:
        raise PlannerError(f"no sharing of {g} devices serves all of {', '.join(x.name for x in models)}: give devices "
                           f"with more memory")
    return Shares(share=done.x[:m * g].reshape(m, g), rate=float(done.x[-1] * best))
