"""How many requests a second one client may send."""
from __future__ import annotations

import time
from collections import OrderedDict

from nigiri.runtime.errors import BadArgument

__all__ = ["RateLimit"]

CLIENTS = 4096


class RateLimit:
    """A bucket of tokens for each client: `per_s` flow in, at most `burst` stay; the longest unseen are forgotten."""

    def __init__(self, per_s: float, burst: float | None = None) -> None:
        if per_s <= 0 or (burst is not None and burst < 1):
            raise BadArgument(f"a rate limit must be positive, with a burst of at least 1, not {per_s:g} and {burst}")
        self.per_s, self.burst = per_s, burst or max(1.0, per_s)
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float | None = None) -> float:
        """0 when the client may send now, else the seconds after which it may."""
        time_s = time.monotonic() if now is None else now
        level, at = self._clients.pop(client, (self.burst, time_s))
        level = min(self.burst, level + (time_s - at) * self.per_s)
        wait = 0.0 if level >= 1 else (1 - level) / self.per_s
        self._clients[client] = (level - (wait == 0), time_s)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return wait
