"""Where to cut: by measured bandwidth and what each layer takes on both sides (Neurosurgeon, ASPLOS 2017)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from nigiri.compiler.graph import Network
from nigiri.runtime.errors import BadArgument
from nigiri.split.boundary import boundaries

__all__ = ["Bandwidth", "Chooser", "Costs"]

KEEP = 0.1
"""Share by which another cut must be better, so that the cut does not flap with the bandwidth."""
RISE = 1.5
"""Factor by which an estimate grows that no transfer has confirmed for a while."""
WEIGHT = 0.3
"""Of the newest transfer in the estimate of the bandwidth."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """client_ms, server_ms: of every layer.  nbytes: of every cut, from before the first layer to behind the last.

    start_ms: what the server takes besides its layers.  With everything on the client nothing crosses.
    """

    client_ms: tuple[float, ...]
    server_ms: tuple[float, ...]
    nbytes: tuple[int, ...]
    start_ms: float = 0.0

    @classmethod
    def of(cls, network: Network, subnet: str, client_ms: Sequence[float], server_ms: Sequence[float],
           start_ms: float = 0.0) -> Costs:
        """Those of a SubNet; BadArgument when the times are not of its layers."""
        cuts = boundaries(network, network.subnet(subnet))
        if not len(client_ms) == len(server_ms) == len(cuts) - 1:
            raise BadArgument(f"SubNet {subnet} has {len(cuts) - 1} layers: the times have {len(client_ms)} and "
                              f"{len(server_ms)}")
        return cls(client_ms=tuple(client_ms), server_ms=tuple(server_ms), nbytes=tuple(c.nbytes for c in cuts),
                   start_ms=start_ms)

    def totals(self, mbit_s: float, rtt_ms: float = 0.0) -> list[float]:
        """Milliseconds of every cut at a bandwidth; with 0 only the last one, everything on the client, is possible."""
        before = [0.0, *accumulate(self.client_ms)]
        behind = [0.0, *accumulate(reversed(self.server_ms))][::-1]
        out = []
        for n, size in enumerate(self.nbytes):
            if n == len(self.client_ms):
                out.append(before[n])
            elif mbit_s <= 0:
                out.append(float("inf"))
            else:
                out.append(before[n] + rtt_ms + 8e-3 * size / mbit_s + self.start_ms + behind[n])
        return out


class Bandwidth:
    """An exponential average of measured transfers, Mbit/s; `initial` until there is one."""

    def __init__(self, initial: float = 10.0):
        if initial < 0:
            raise BadArgument(f"a bandwidth cannot be negative, as {initial:g} Mbit/s is")
        self.mbit_s = initial

    def seen(self, nbytes: int, ms: float) -> None:
        """A transfer of `nbytes` took `ms`."""
        if ms > 0:
            self.mbit_s += WEIGHT * (8e-3 * nbytes / ms - self.mbit_s)

    def hope(self) -> None:
        """Nothing has been sent for a while: what was measured is old news, so the estimate rises."""
        self.mbit_s *= RISE


class Chooser:
    """The cut of a SubNet, which changes only when another one is clearly better."""

    def __init__(self, costs: Costs, rtt_ms: float = 0.0):
        self.costs, self.rtt_ms = costs, rtt_ms
        self.cut: int | None = None

    def choose(self, mbit_s: float) -> int:
        """The cut for the next request."""
        totals = self.costs.totals(mbit_s, self.rtt_ms)
        best = min(range(len(totals)), key=lambda n: (totals[n], n))
        if self.cut is None or totals[best] < (1 - KEEP) * totals[self.cut]:
            self.cut = best
        return self.cut
