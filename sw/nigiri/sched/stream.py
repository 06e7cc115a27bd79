"""Query streams with accuracy and latency targets: phased, random, and sinusoidal."""
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, sin
from typing import Literal

from nigiri.sched.errors import SchedulerError
from nigiri.sched.query import Query
from nigiri.sched.table import LatencyTable

__all__ = ["KINDS", "StreamSettings", "query_stream"]

Kind = Literal["phased", "random", "sinusoidal"]
KINDS: tuple[Kind, ...] = ("phased", "random", "sinusoidal")


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a stream looks.

    Parameters
    ----------
    queries: how many.
    kind: "phased" keeps a level for a phase, "random" draws one for every query, "sinusoidal" swings once between the
        easiest and the most demanding level in two phases.
    phase: mean length of a phase, queries; a phase of a phased stream is between half and one and a half times as long.
    levels: operating points (0 the easiest, `levels` - 1 the most demanding); every phase has another one than the
        phase before, and all have been used before one comes again.
    noise: chance that a query asks for another level than its phase.
    load: mean arrival rate times the mean service time without a cache; below 1 the queue stays short.  0: all arrive
        at once, and a device never rests.
    images: images to draw from; each is used once before any is used again.
    seed: the same settings give the same stream.
    """

    queries: int = 160
    kind: Kind = "phased"
    phase: int = 30
    levels: int = 4
    noise: float = 0.1
    load: float = 0.7
    images: int = 512
    seed: int = 2026

    def __post_init__(self) -> None:
        if self.queries < 1 or self.phase < 1 or self.levels < 1 or self.images < 1:
            raise SchedulerError("queries, phase, levels and images must each be at least 1, not "
                                 f"{self.queries}, {self.phase}, {self.levels} and {self.images}")
        if not 0 <= self.noise <= 1 or self.load < 0:
            raise SchedulerError(f"noise must be between 0 and 1 and load not negative, not {self.noise} and "
                                 f"{self.load}")
        if self.kind not in KINDS:
            raise SchedulerError(f"kind must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, not {self.kind!r}")


def _levels(settings: StreamSettings, levels: int, rng: random.Random) -> Iterator[int]:
    """The level of every query, without noise."""
    if settings.kind == "sinusoidal":
        for n in range(settings.queries):
            yield min(levels - 1, int(levels * (0.5 - 0.5 * sin(pi / 2 + pi * n / settings.phase))))
        return
    if settings.kind == "random":
        for _ in range(settings.queries):
            yield rng.randrange(levels)
        return
    bag: list[int] = []
    level, left = -1, 0
    for _ in range(settings.queries):
        if left == 0:
            bag = bag or rng.sample(range(levels), levels)
            level = bag.pop() if bag[-1] != level or len(bag) == 1 else bag.pop(0)
            left = rng.randint(max(1, settings.phase // 2), settings.phase + settings.phase // 2)
        left -= 1
        yield level


def query_stream(table: LatencyTable, settings: StreamSettings) -> list[Query]:
    """A stream whose every target can be reached.

    Levels are spread over the SubNets by accuracy.  A query of a level demands an accuracy just below that of the
    level's SubNet and a latency just above what that SubNet needs without a cache, each loosened at random by at
    most the distance to the next easier SubNet (accuracy), or by a tenth (latency).
    """
    rng = random.Random(settings.seed)
    rows = sorted(range(len(table.subnets)), key=lambda i: table.subnets[i].accuracy)
    rows = [r for n, r in enumerate(rows) if all(table.cycles[r, 0] < table.cycles[x, 0] for x in rows[n + 1:])]
    levels = min(settings.levels, len(rows))
    points = [round(n * (len(rows) - 1) / max(1, levels - 1)) for n in range(levels)]
    mean_s = sum(table.latency_ms(r, 0) for r in rows) / len(rows) / 1e3
    order: list[int] = []
    clock, out = 0.0, []
    for level in _levels(settings, levels, rng):
        now = rng.randrange(levels) if rng.random() < settings.noise else level
        point = points[now]
        accuracy = table.subnets[rows[point]].accuracy
        easier = table.subnets[rows[point - 1]].accuracy if point else accuracy - 1
        clock += rng.expovariate(settings.load / mean_s) if settings.load else 0.0
        if not order:
            order = rng.sample(range(settings.images), settings.images)
        out.append(Query(accuracy=accuracy - 0.9 * rng.random() * (accuracy - easier),
                         latency_ms=table.latency_ms(rows[point], 0) * (1 + 0.1 * rng.random()),
                         arrival_s=clock, image=order.pop()))
    return out
