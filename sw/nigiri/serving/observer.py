"""What happens in the service, told to whoever wants to know: metrics, traces, logs, the live page."""
from __future__ import annotations

from nigiri.serving.backend import Launched
from nigiri.serving.errors import ServingError
from nigiri.serving.replica import Replica
from nigiri.serving.request import Answer, Targets

__all__ = ["Observer", "Observers"]


class Observer:
    """Hears everything and does nothing; derive from it.  Calls come from the event loop and must not block."""

    def accepted(self, count: int, waiting: int) -> None:
        """So many images were let into the queue, which holds `waiting` now."""

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        """They were turned away, at the door or later."""

    def answered(self, answer: Answer, targets: Targets) -> None:
        """One image."""

    def launched(self, replica: Replica, row: int, count: int, launch: Launched) -> None:
        """A launch has ended well."""

    def loaded(self, replica: Replica, column: int) -> None:
        """A change of the cache has begun."""

    def fault(self, replica: Replica, reason: str) -> None:
        """A device was taken out."""

    def recovered(self, replica: Replica) -> None:
        """It is back."""

    def clock(self, replica: Replica, mhz: float) -> None:
        """Its clock was changed."""


class Observers(Observer):
    """Tells several."""

    def __init__(self, *observers: Observer) -> None:
        self.all = list(observers)

    def accepted(self, count: int, waiting: int) -> None:
        for o in self.all:
            o.accepted(count, waiting)

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        for o in self.all:
            o.refused(count, error, targets)

    def answered(self, answer: Answer, targets: Targets) -> None:
        for o in self.all:
            o.answered(answer, targets)

    def launched(self, replica: Replica, row: int, count: int, launch: Launched) -> None:
        for o in self.all:
            o.launched(replica, row, count, launch)

    def loaded(self, replica: Replica, column: int) -> None:
        for o in self.all:
            o.loaded(replica, column)

    def fault(self, replica: Replica, reason: str) -> None:
        for o in self.all:
            o.fault(replica, reason)

    def recovered(self, replica: Replica) -> None:
        for o in self.all:
            o.recovered(replica)

    def clock(self, replica: Replica, mhz: float) -> None:
        for o in self.all:
            o.clock(replica, mhz)
