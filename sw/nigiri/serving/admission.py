"""Whether a request is let in: a bounded queue, and no promise that could not be kept."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from nigiri.sched.errors import UnreachableAccuracy, UnreachableLatency
from nigiri.sched.table import LatencyTable
from nigiri.serving.errors import Overloaded, Unattainable, UnknownModel
from nigiri.serving.request import Targets

__all__ = ["Admission", "needs"]

FORGET = 0.05
"""Weight of the newest launch in the mean time of an image."""


def needs(targets: Targets, table: LatencyTable, slower: float = 1.0) -> int:
    """The row that serves the targets most quickly, with nothing cached: the named SubNet's, or the fastest that is
    accurate enough.  slower: by how much the fastest device is slower than the table.

    Raises
    ------
    UnknownModel: no such SubNet.  Unattainable: none is accurate enough, or that one is too slow at any load.
    """
    lookup = table.lookup
    if targets.subnet is not None:
        names = [s.name for s in table.subnets]
        if targets.subnet not in names:
            raise UnknownModel(f"there is no SubNet {targets.subnet!r:.80}: choose one of {', '.join(names)}")
        row = names.index(targets.subnet)
    else:
        rank = bisect_left(lookup.accuracies, targets.accuracy)
        row = lookup.by_rank[0][rank]
        if rank == len(lookup.accuracies):
            best = table.subnets[row]
            raise Unattainable(str(UnreachableAccuracy(targets.accuracy, best.name, best.accuracy)
                                   ).split(";")[0] + "; ask for less")
    best_ms = slower * min(lookup.latency[j][row] for j in range(len(table.subgraphs)))
    limit = min(targets.latency_ms, targets.deadline_ms)
    if best_ms > limit:
        name = table.subnets[row].name
        raise Unattainable(str(UnreachableLatency(limit, name, best_ms, "the best SubGraph")).split(";")[0]
                           + "; allow more time" + (" or less accuracy" if targets.accuracy else ""))
    return row


class Admission:
    """Estimates when a request would be answered.

    limit: images that may wait.  margin_ms: what the host needs for a request beside the device.
    """

    def __init__(self, limit: int, margin_ms: float = 0.5) -> None:
        self.limit, self.margin_ms = limit, margin_ms
        self.image_ms = 0.0

    def saw(self, ms_per_image: float) -> None:
        """Time of a launch, by image, as the host saw it."""
        self.image_ms += (ms_per_image - self.image_ms) * (FORGET if self.image_ms else 1.0)

    def check(self, targets: Targets, row: int, count: int, ahead: int, waiting: int, table: LatencyTable,
              busy_ms: Sequence[float], slower: float = 1.0) -> None:
        """Raises Overloaded when the queue is full, or the answers would be late.

        ahead: images in the queue that go first.  busy_ms: of every working device, when it is free again.
        """
        devices = max(1, len(busy_ms))
        if waiting + count > self.limit:
            retry = 1e-3 * max(1.0, self.image_ms * min(waiting, count) / devices)
            raise Overloaded(f"{waiting} images wait already and {self.limit} may: try again later", retry)
        if targets.deadline_ms == float("inf"):
            return
        own = slower * table.lookup.latency[0][row]
        mean = self.image_ms or own
        late = (min(busy_ms, default=0.0) + (ahead + count - 1) * mean / devices + own + self.margin_ms
                - targets.deadline_ms)
        if late > 0 and ahead + waiting + max(busy_ms, default=0.0) > 0:
            raise Overloaded(f"the answer would come {late:.1f} ms after its deadline of {targets.deadline_ms:g} ms: "
                             f"try again later, or allow more time", 1e-3 * max(1.0, late))
