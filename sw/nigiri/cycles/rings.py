"""The rings of the dynamic buffer: when the places that a request needs are free again."""
from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from nigiri.cycles.timing import COPY, COPY_QUEUE, FREED, WRITTEN

__all__ = ["Ring", "Run"]


@dataclass
class Run:
    """`count` words from the persistent buffer, which the copy engine may begin in cycle `first`.

    They are in `place` of `pieces`, as the last word's index and the cycle from which it is ready.
    """

    first: float
    count: int
    pieces: list[tuple[int, float]]
    place: int
    start: float = 0.0
    end: float = 0.0


class Ring:
    """Words asked for and words given back, in order.

    Attributes
    ----------
    asked, given: words so far.
    runs: copies, as far as words from memory may still hold them up, and at least those that fill the queue.
    writes: cycles in which words from memory are written, in order.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.asked = self.given = 0
        self.gifts: list[tuple[int, float, float]] = []     # words given before, time of the first, cycles a word
        self.at = 0
        self.runs: list[Run] = []
        self.writes: list[float] = []

    def room(self, count: int) -> float | None:
        """First cycle in which `count` more words may be asked for; None while that is not decided."""
        need = self.asked + count - self.capacity
        if need <= 0:
            return 0.0
        if need > self.given:
            return None
        gifts = self.gifts
        while self.at + 1 < len(gifts) and gifts[self.at + 1][0] < need:
            self.at += 1
        before, first, step = gifts[self.at]
        return first + (need - before - 1) * step + FREED

    def queued(self) -> float:
        """First cycle in which the copy engine takes another run."""
        return self.runs[-COPY_QUEUE].start + 1 if len(self.runs) >= COPY_QUEUE else 0.0

    def copy(self, run: Run) -> None:
        """A run more for the copy engine."""
        self.runs.append(run)
        self._copy(len(self.runs) - 1)

    def write(self, times: list[float]) -> None:
        """Words from memory: they go first, so copies that are under way wait for them."""
        runs, first = self.runs, min(times)
        self.writes += times
        self.writes.sort()
        late = next((k for k, r in enumerate(runs) if r.end + COPY > first), len(runs))
        for k in range(late, len(runs)):
            self._copy(k)
        kept = min(late, max(0, len(runs) - COPY_QUEUE - 1))
        del runs[:kept]
        del self.writes[:bisect_left(self.writes, runs[0].start if runs else first)]

    def _copy(self, k: int) -> None:
        """A word in every cycle in which none from memory is written."""
        run = self.runs[k]
        run.start = max(run.first, self.runs[k - 1].end) if k else max(run.first, run.start)
        first = run.start + COPY - WRITTEN
        lost, at = 0, bisect_left(self.writes, first)
        while at + lost < len(self.writes) and self.writes[at + lost] < first + run.count + lost:
            lost += 1
        run.end = run.start + run.count + lost
        run.pieces[run.place] = run.pieces[run.place][0], run.end + COPY - 1

    def give(self, words: int, first: float, step: float = 1.0) -> None:
        """`words` words are used up: the first in cycle `first`, each following one `step` cycles later."""
        if words:
            self.gifts.append((self.given, first, step))
            self.given += words
