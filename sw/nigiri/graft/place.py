"""Instances of stages onto devices: time shares that add up to one device each at most."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nigiri.graft.fragment import Plan

__all__ = ["Placed", "place"]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """devices: by device, (stage, share) of every instance.  needed: at least so many, by the sum of the shares."""

    devices: tuple[tuple[tuple[int, float], ...], ...]
    needed: float


def place(plan: Plan) -> Placed:
    """First fit by falling share; the instances of a stage on as few devices as they fit, so that its weights stay."""
    items: list[tuple[float, int]] = []
    for n, s in enumerate(plan.stages):
        items += [(s.instances.share, n)] * s.instances.count
    bins: list[list[tuple[int, float]]] = []
    free: list[float] = []
    for share, n in sorted(items, key=lambda x: (-x[0], x[1])):
        fitting = [k for k, room in enumerate(free) if room >= share - 1e-9]
        same = [k for k in fitting if any(m == n for m, _ in bins[k])]
        k = (same or fitting or [len(bins)])[0]
        if k == len(bins):
            bins.append([])
            free.append(1.0)
        bins[k].append((n, share))
        free[k] -= share
    return Placed(devices=tuple(map(tuple, bins)), needed=plan.total)


def shares(placed: Placed) -> Sequence[float]:
    """Of each device, what is given away."""
    return [sum(share for _, share in d) for d in placed.devices]
