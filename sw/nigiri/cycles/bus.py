"""The bus into the chip where the ports together offer more than its one word a cycle: they take turns.

A fluid model: every port with a burst under way moves on at the same rate, its own or its share of the bus.  How fast a
burst moves depends on those that come after it on other ports, so its end is a guess that is mended until it is there.
"""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Burst", "SharedBus"]

DONE = 1e-9


@dataclass(eq=False, slots=True)
class Burst:
    """`left` words, the first of which is there from cycle `start` on; `end`: when the last one is through."""

    start: float
    left: float
    end: float = 0.0


class SharedBus:
    """Queues of bursts, one a port.

    rate: words a cycle of a port.  total: of all together.
    """

    def __init__(self, ports: int, rate: float, total: float):
        self.rate, self.total = rate, total
        self.queues: list[list[Burst]] = [[] for _ in range(ports)]
        self.now = 0.0

    def advance(self, to: float) -> None:
        """Everything up to cycle `to`, before which no further burst may start."""
        if to > self.now:
            self.now = self._run(self.queues, self.now, to)

    def guess(self) -> None:
        """Ends of all bursts under way, if no others come."""
        copies = [[Burst(b.start, b.left) for b in q] for q in self.queues]
        kept = [list(q) for q in copies]
        self._run(copies, self.now, float("inf"))
        for real, done in zip(self.queues, kept, strict=True):
            for b, c in zip(real, done, strict=True):
                b.end = c.end

    def _run(self, queues: list[list[Burst]], now: float, to: float) -> float:
        busy = [q for q in queues if q]
        while busy and now < to:
            active = [q[0] for q in busy if q[0].start <= now]
            until = min([to, *(q[0].start for q in busy if q[0].start > now)])
            if not active:
                now = until
                continue
            rate = min(self.rate, self.total / len(active))
            time = min(b.left for b in active) / rate
            if now + time > until:
                time = until - now
            now += time
            gone = rate * time + DONE
            for b in active:
                b.left = b.left - gone + DONE if b.left > gone else 0.0
            for q in busy:
                if not q[0].left:
                    q.pop(0).end = now
            busy = [q for q in busy if q]
        return now if busy else max(now, to if to != float("inf") else now)
