"""The rings of the dynamic buffer: when the places that a request needs are free again."""
from __future__ import annotations

from collections import deque

from nigiri.cycles.timing import COPY_QUEUE, FREED

__all__ = ["Ring"]


class Ring:
    """Words asked for and words given back, in order.

    Attributes
    ----------
    asked, given: words so far.
    copied: cycle in which the ring's copy engine has read its last word so far; copies: when each run began.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.asked = self.given = 0
        self.gifts: list[tuple[int, float, float]] = []     # words given before, time of the first, cycles a word
        self.at = 0
        self.copied = 0.0
        self.copies = [0.0] * COPY_QUEUE
        self.writes: deque[tuple[float, int]] = deque()     # words from memory: time, count

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

    def taken(self, start: float, count: int) -> int:
        """Cycles in which words from memory keep a copy of `count` words, begun at `start`, from the ring."""
        writes = self.writes
        while writes and writes[0][0] < start:
            writes.popleft()
        lost = 0
        for time, words in writes:
            if time > start + count + lost:
                break
            lost += words
        return lost

    def give(self, words: int, first: float, step: float = 1.0) -> None:
        """`words` words are used up: the first in cycle `first`, each following one `step` cycles later."""
        if words:
            self.gifts.append((self.given, first, step))
            self.given += words
