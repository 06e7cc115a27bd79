"""What is known of the link and the server: bandwidth, round trip, load, all from measurements while serving."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from nigiri.runtime.errors import BadArgument

__all__ = ["Conditions", "LinkState"]

WEIGHT = 0.5
"""Of the newest measurement in an average."""
NOISE = 0.05
"""Share of an exchange, without what the server takes, below which the transfer cannot be told from the round trip."""
PINGS = 4
"""The round trip is the shortest of so many."""
LOADS = 0.1, 1000.0
"""Range of the load."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """mbit_s: 0 is no connection.  load: the server takes so many times what it is expected to."""

    mbit_s: float
    rtt_ms: float = 0.0
    load: float = 1.0

    def __post_init__(self) -> None:
        if self.mbit_s < 0 or self.rtt_ms < 0 or self.load < 0:
            raise BadArgument(f"bandwidth, round trip and load cannot be negative, as {self.mbit_s:g} Mbit/s, "
                              f"{self.rtt_ms:g} ms and {self.load:g} are")

    def crossing_ms(self, nbytes: int) -> float:
        """How long an exchange takes whose message has so many bytes."""
        return self.rtt_ms + 8e-3 * nbytes / self.mbit_s if self.mbit_s else float("inf")


class LinkState:
    """Estimates, which begin at `initial`; the first measurements of bandwidth and round trip replace them."""

    def __init__(self, initial: Conditions | None = None):
        first = initial or Conditions(mbit_s=10.0)
        self.mbit_s, self.rtt_ms, self.load = first.mbit_s, first.rtt_ms, first.load
        self._pings: deque[float] = deque(maxlen=PINGS)
        self._known = False

    @property
    def now(self) -> Conditions:
        return Conditions(mbit_s=self.mbit_s, rtt_ms=self.rtt_ms, load=self.load)

    def pinged(self, ms: float) -> None:
        """An exchange with next to no bytes took so long."""
        self._pings.append(max(ms, 0.0))
        self.rtt_ms = min(self._pings)

    def exchanged(self, nbytes: int, ms: float, server_ms: float, expected_ms: float, whole_ms: float) -> None:
        """A message of `nbytes` was answered after `ms`; of those the server says it took `server_ms`, and was expected
        to take `expected_ms`, and `whole_ms` for the whole SubNet.

        A bad link is believed at once: drops average the time per byte, in which the slow transfer counts most.
        """
        if 0 < expected_ms <= whole_ms:
            # The less of the SubNet it computed, the less that says of its speed.
            ratio = min(max(server_ms / expected_ms, LOADS[0]), LOADS[1])
            self.load += WEIGHT * expected_ms / whole_ms * (ratio - self.load)
        exchange = ms - server_ms
        transfer, least = exchange - self.rtt_ms, max(NOISE * exchange, 1e-3)
        rate = 8e-3 * nbytes / max(transfer, least)
        if transfer <= least:           # the link is at least so fast
            self.mbit_s = max(self.mbit_s, rate)
        elif not self._known or self.mbit_s <= 0:
            self.mbit_s, self._known = rate, True
        elif rate > self.mbit_s:
            self.mbit_s += WEIGHT * (rate - self.mbit_s)
        else:
            self.mbit_s = 1 / (WEIGHT / rate + (1 - WEIGHT) / self.mbit_s)

    def failed(self, nbytes: int, ms: float) -> None:
        """A message of `nbytes` had no answer after `ms`: the link is at most so fast."""
        if ms > 0:
            self.mbit_s = min(self.mbit_s, 8e-3 * nbytes / ms)
