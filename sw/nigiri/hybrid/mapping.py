"""Which operator runs where: array or host, by dynamic programming over the operators in order.

Between two operators on different sides every tensor that is still to be read crosses, and the array has to be started
again.  What is read on both sides crosses once.  The exact state would be the set of tensors on each side; as operators
follow one another closely, the side of the last operator stands for it.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Link", "Mapped", "Operator", "best_mapping"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """launch_ms: starting the array and waiting for its end; 0.0735 ms is what a PYNQ start and poll took on a ZCU104
    (measurements of the published engine).  mbytes_per_s: between the host's memory and the window, both ways."""

    launch_ms: float = 0.0735
    mbytes_per_s: float = 1000.0


@dataclass(frozen=True, kw_only=True)
class Operator:
    """array_ms: None where the array cannot do it."""

    name: str
    kind: str
    array_ms: float | None
    host_ms: float
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """ms: of all.  host: names of the operators on the host.  launches: of the array."""

    ms: float
    host: tuple[str, ...]
    launches: int


def best_mapping(operators: Sequence[Operator], sizes: Mapping[str, int], link: Link,
                 forced: Mapping[str, bool] | None = None) -> Mapped:
    """The fastest mapping.  The image begins on the host, the result ends there.

    forced: by operator, whether it has to be on the host.
    """
    last: dict[str, int] = {}
    for n, x in enumerate(operators):
        last |= dict.fromkeys(x.reads, n)
    crossing = [sum(sizes[t] for t in last if written(operators, t) < n <= last[t]) for n in range(len(operators) + 1)]
    best: dict[bool, tuple[float, tuple[bool, ...]]] = {True: (0.0, ())}
    for n, x in enumerate(operators):
        new: dict[bool, tuple[float, tuple[bool, ...]]] = {}
        for side in (True, False):
            time = x.host_ms if side else x.array_ms
            if time is None or (forced or {}).get(x.name, side) != side:
                continue
            for before, (ms, path) in best.items():
                extra = 0.0
                if before != side:
                    extra = crossing[n] / (1e3 * link.mbytes_per_s) + (0.0 if side else link.launch_ms)
                if side not in new or ms + extra + time < new[side][0]:
                    new[side] = ms + extra + time, (*path, side)
        best = new
    out = sum(sizes[t] for t in operators[-1].writes) / (1e3 * link.mbytes_per_s)
    ms, path = min((ms + (0.0 if side else out), path) for side, (ms, path) in best.items())
    host = tuple(x.name for x, side in zip(operators, path, strict=True) if side)
    launches = sum(a and not b for a, b in zip((True, *path), path, strict=False))
    return Mapped(ms=ms, host=host, launches=launches)


def written(operators: Sequence[Operator], tensor: str) -> int:
    """The operator that writes a tensor, -1 for the image."""
    return next((n for n, x in enumerate(operators) if tensor in x.writes), -1)
