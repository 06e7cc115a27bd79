"""Instances of stages onto devices: time shares that add up to one device each at most."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nigiri.graft.fragment import Plan

__all__ = ["Placed", "place", "shares", "spread"]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """devices: by device, (stages, share) of every instance.  needed: at least so many, by the sum of the shares."""

    devices: tuple[tuple[tuple[tuple[int, ...], float], ...], ...]
    needed: float


def place(plan: Plan) -> Placed:
    """First fit by falling share; the instances of a stage on as few devices as they fit, so that its weights stay."""
    items = [(h.share, h.stages) for h in plan.hosts]
    for n, s in plan.own:
        items += [(s.instances.share, (n,))] * s.instances.count
    bins: list[list[tuple[tuple[int, ...], float]]] = []
    free: list[float] = []
    for share, stages in sorted(items, key=lambda x: (-x[0], x[1])):
        fitting = [k for k, room in enumerate(free) if room >= share - 1e-9]
        same = [k for k in fitting if any(other == stages for other, _ in bins[k])]
        k = (same or fitting or [len(bins)])[0]
        if k == len(bins):
            bins.append([])
            free.append(1.0)
        bins[k].append((stages, share))
        free[k] -= share
    return Placed(devices=tuple(map(tuple, bins)), needed=plan.total)


def spread(plan: Plan, devices: int) -> Placed:
    """All instances on so many devices, whatever their shares add up to: the next one where least is given away.

    Shares promise the worst case; this is for finding out how many devices a replay really needs.
    """
    items = [(h.share, h.stages) for h in plan.hosts]
    items += [(s.instances.share, (n,)) for n, s in plan.own for _ in range(s.instances.count)]
    bins: list[list[tuple[tuple[int, ...], float]]] = [[] for _ in range(devices)]
    for share, stages in sorted(items, key=lambda x: (-x[0], x[1])):
        min(bins, key=lambda b: sum(x for _, x in b)).append((stages, share))
    return Placed(devices=tuple(map(tuple, bins)), needed=plan.total)


def shares(placed: Placed) -> Sequence[float]:
    """Of each device, what is given away."""
    return [sum(share for _, share in d) for d in placed.devices]
