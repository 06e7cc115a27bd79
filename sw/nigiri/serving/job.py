"""One image between its arrival and its answer."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from nigiri.sched.query import Query
from nigiri.serving.request import Answer, Targets

__all__ = ["Job"]


@dataclass(eq=False, slots=True)
class Job:
    """Sorted by deadline, then by arrival.  `future` gets the answer or the refusal, exactly once.

    started: when its launch began.  tries: launches so far.  timer: fires at the deadline.
    """

    number: int
    image: np.ndarray
    query: Query
    targets: Targets
    future: asyncio.Future[Answer]
    started: float = 0.0
    tries: int = 0
    timer: asyncio.TimerHandle | None = None
    key: tuple[float, int] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (self.query.deadline_s, self.number)

    @property
    def deadline(self) -> float:
        return self.query.deadline_s

    def __lt__(self, other: Job) -> bool:
        return self.key < other.key
