"""Partitions and replicates the models of a cascade over several devices, and places them.

Source: HybridServe's prototype: for every way to cut the models into stages, replicas in proportion to the load that
reaches each model; a mixed-integer program places the pieces.  SciPy's HiGHS solves it.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np

from nigiri.cascade.errors import PlannerError

__all__ = ["Device", "Model", "Piece", "Plan", "plan"]

MOST = 4096
"""Most pieces times devices in one program."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model of the cascade.

    Parameters
    ----------
    latency_s: of a batch.  reach: share of the queries that come to it.
    memory: what its weights need on a device, in any unit that devices use too (words of cache, bytes).
    hidden_bytes: handed on to it for each query.
    beta, gamma: of the utilisation b^2 / (b^2 + beta b + gamma) at b queries in a batch.
    """

    name: str
    latency_s: float
    reach: float
    memory: float
    hidden_bytes: float = 0.0
    beta: float = 0.0
    gamma: float = 0.0

    def utilisation(self, batch: int) -> float:
        """Share of a device that a batch keeps busy, in (0, 1]."""
        return batch ** 2 / (batch ** 2 + self.beta * batch + self.gamma)


@dataclass(frozen=True, kw_only=True)
class Device:
    """memory: in the models' unit.  group: devices of one group hand on at `near`, others at `far` seconds a byte."""

    memory: float
    group: int = 0


@dataclass(frozen=True)
class Piece:
    """Stage `stage` of replica `replica` of model `model`, on device `device`."""

    model: int
    stage: int
    replica: int
    device: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """stages, replicas: by model.  rate: queries a second that it sustains.  transfer_s: handing on, of a query."""

    stages: tuple[int, ...]
    replicas: tuple[int, ...]
    pieces: tuple[Piece, ...]
    rate: float
    transfer_s: float
    objective: float


def _replicas(models: Sequence[Model], stages: Sequence[int]) -> list[int]:
    """In proportion to the load of a stage, the smallest 1."""
    load = [m.reach * m.latency_s / s for m, s in zip(models, stages, strict=True)]
    return [ceil(x / min(load) - 1e-9) for x in load]


def _place(models: Sequence[Model], devices: Sequence[Device], stages: Sequence[int], replicas: Sequence[int],
           batch: int, near: float, far: float) -> tuple[tuple[Piece, ...], float, float] | None:
    """(pieces, transfer, objective) of the best placement; None when there is none."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    units = [(m, s, r) for m in range(len(models)) for s in range(stages[m]) for r in range(replicas[m])]
    count, n = len(devices), len(units)
    if n < count or n * count > MOST:
        return None
    # Pairs that hand on: stages of a replica, and every last stage of a model to every first one of the next.
    pairs = [(i, j, models[m].hidden_bytes * models[m].reach / replicas[m])
             for i, (m, s, r) in enumerate(units) for j, (m2, s2, r2) in enumerate(units)
             if m2 == m and r2 == r and s2 == s + 1]
    pairs += [(i, j, models[m2].hidden_bytes * models[m2].reach / (replicas[m] * replicas[m2]))
              for i, (m, s, _) in enumerate(units) for j, (m2, s2, _) in enumerate(units)
              if m2 == m + 1 and s == stages[m] - 1 and s2 == 0]
    # Only what crosses a device costs; a pair has one variable for each kind of crossing.
    links = [(i, j, b) for i, j, b in pairs if b > 0 and (near > 0 or far > 0)]
    total = n * count + 2 * len(links)
    rows, cols, values, low, high = list[int](), list[int](), list[float](), list[float](), list[float]()

    def add(terms: dict[int, float], least: float, most: float) -> None:
        for k, v in terms.items():
            rows.append(len(low))
            cols.append(k)
            values.append(v)
        low.append(least)
        high.append(most)

    use = [models[m].utilisation(batch) for m, _, _ in units]
    for u in range(n):
        add({u * count + g: 1.0 for g in range(count)}, 1, 1)
    for g, device in enumerate(devices):
        add({u * count + g: models[m].memory / stages[m] for u, (m, _, _) in enumerate(units)}, 0, device.memory)
        add({u * count + g: use[u] for u in range(n)}, 0, 1)
        add({u * count + g: 1.0 for u in range(n)}, 1, n)
    cost = np.zeros(total)
    groups = sorted({d.group for d in devices})
    for k, (i, j, nbytes) in enumerate(links):
        other, away = n * count + 2 * k, n * count + 2 * k + 1
        cost[other], cost[away] = nbytes * near, nbytes * max(0.0, far - near)
        for g in range(count):                      # i on g and j not on g: another device
            add({i * count + g: 1.0, j * count + g: -1.0, other: -1.0}, -2, 0)
        for q in groups:                            # i in group q and j not: another group
            inside = [g for g in range(count) if devices[g].group == q]
            add({**{i * count + g: 1.0 for g in inside}, **{j * count + g: -1.0 for g in inside}, away: -1.0}, -2, 0)
    matrix = coo_array((values, (rows, cols)), shape=(len(low), total)).tocsr()
    done = milp(cost, integrality=np.concatenate([np.ones(n * count), np.zeros(2 * len(links))]), bounds=Bounds(0, 1),
                constraints=LinearConstraint(matrix, np.array(low), np.array(high)), options={"time_limit": 20.0})
    if done.x is None:
        return None
    where = done.x[:n * count].reshape(n, count).argmax(axis=1)
    pieces = tuple(Piece(m, s, r, int(g)) for (m, s, r), g in zip(units, where, strict=True))
    return pieces, float(cost @ done.x), sum(use) - float(cost @ done.x)


def plan(models: Sequence[Model], devices: Sequence[Device], *, batch: int = 1, most_stages: int = 2,
         most_replicas: int = 8, near: float = 0.0, far: float = 0.0) -> Plan:
    """The plan that sustains most queries a second, of equal ones the one with the larger objective.

    Parameters
    ----------
    models: from small to large.  batch: queries in a launch.
    most_stages: into which a model is cut.  most_replicas: rounds of replication that are tried.
    near, far: seconds to hand on a byte within and across groups.

    The objective is the prototype's: utilisation of all devices less the time of handing on.  Every device has at least
    one piece, none more memory or utilisation than it has.

    Raises
    ------
    PlannerError: no models or devices, inputs out of range, or nothing fits.
    """
    if not models or not devices or batch < 1 or most_stages < 1 or most_replicas < 1 or min(near, far) < 0:
        raise PlannerError(f"a plan needs models, devices, and a batch, stages and replicas of at least 1, not "
                           f"{len(models)}, {len(devices)}, {batch}, {most_stages} and {most_replicas}")
    for m in models:
        if m.latency_s <= 0 or not 0 < m.reach <= 1 or min(m.memory, m.hidden_bytes, m.beta, m.gamma) < 0:
            raise PlannerError(f"model {m.name!r} needs a positive latency, a reach above 0 and at most 1, and no "
                               f"negative size")
    best: Plan | None = None
    for stages in product(range(1, most_stages + 1), repeat=len(models)):
        ratio = _replicas(models, stages)
        for r in range(1, most_replicas + 1):
            replicas = [r * x for x in ratio]
            parts = list(zip(replicas, stages, models, strict=True))
            if (sum(n * m.memory for n, _, m in parts) > sum(d.memory for d in devices)
                    or sum(n * s * m.utilisation(batch) for n, s, m in parts) > len(devices) + 1e-9):
                break
            rate = batch * min(n * s / (m.reach * m.latency_s) for n, s, m in parts)
            if best is not None and rate < best.rate * (1 - 1e-9):
                continue
            found = _place(models, devices, stages, replicas, batch, near, far)
            if found is None:
                continue
            new = Plan(stages=stages, replicas=tuple(replicas), pieces=found[0], rate=rate, transfer_s=found[1],
                       objective=found[2])
            if best is None or (new.rate, new.objective) > (best.rate * (1 + 1e-9), best.objective):
                best = new
    if best is None:
        raise PlannerError(f"no plan places {', '.join(m.name for m in models)} on {len(devices)} devices so that each "
                           f"has a piece and none too much: give devices with more memory, or fewer of them")
    return best
