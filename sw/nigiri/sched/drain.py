"""DrainFit: the most accurate SubNet with which all that waits is served in time."""
from __future__ import annotations

from nigiri.sched.errors import SchedulerError
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.slack import Expired, SlackPolicy
from nigiri.sched.table import LatencyTable

__all__ = ["DrainFit"]


class DrainFit(SlackPolicy):
    """Looks at the slack and at the length of the queue.

    A launch of b images that takes l lets `devices` serve b / l images in its time each; the queue of n is gone after
    n l / (b devices).  That is to be at most `share` of the slack at its head: a queue that grows asks for faster
    launches before its slack is used up.  Of the launches that do it and end in time, the most accurate is taken, the
    fastest of those; when none does, the one that serves most images a second.  Our policy, for accelerators that are
    as efficient for one image as for many; SlackFit sees a growing queue only when its head has become urgent.

    Parameters
    ----------
    devices: that serve the queue together; what the state says, where it knows, counts more.
    share: of the head's slack in which the queue is to be gone, above 0.
    """

    name = "DrainFit"

    def __init__(self, devices: int, *, share: float = 0.25, expired: Expired = "refuse") -> None:
        super().__init__(expired=expired)
        if devices < 1 or share <= 0:
            raise SchedulerError(f"DrainFit needs at least 1 device and a positive share, not {devices} and {share}")
        self.devices, self.share = devices, share

    def start(self, table: LatencyTable) -> int:
        super().start(table)
        # Most accurate first, and of one SubNet the fastest launch first.
        self.launches = [(self.ms[row][b], self.ms[row][b] / self.batches[b], row, self.batches[b])
                         for row in reversed(self.rows) for b in range(len(self.batches))]
        self.by_rate = sorted(self.launches, key=lambda x: x[1])
        return 0

    def decide(self, query: Query, state: State, table: LatencyTable) -> Decision:
        self.devices = state.devices or self.devices
        return super().decide(query, state, table)

    def pick(self, query: Query, slack_ms: float, waiting: int) -> tuple[int, int] | None:
        each = self.share * slack_ms * self.devices / waiting
        for ms, per_image, row, size in self.launches:
            if ms <= slack_ms and per_image <= each and size <= waiting:
                return row, size
        for ms, _, row, size in self.by_rate:
            if ms <= slack_ms and size <= waiting:
                return row, size
        return None
