"""Where to cut: by measured bandwidth and what both sides take at every cut (Neurosurgeon, ASPLOS 2017)."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nigiri.compiler.graph import Network
from nigiri.runtime.errors import BadArgument
from nigiri.split.conditions import Conditions
from nigiri.split.wire import size

__all__ = ["Chooser", "Costs"]

KEEP = 0.1
"""Share by which another cut must be better, so that the cut does not flap with the bandwidth."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of every cut, from before the first layer to behind the last: what the client takes before it and the server
    behind it, and the bytes of the message.  With everything on the client nothing crosses.

    start_ms: what the server takes besides its layers.
    """

    before_ms: tuple[float, ...]
    behind_ms: tuple[float, ...]
    nbytes: tuple[int, ...]
    start_ms: float = 0.0

    @property
    def last(self) -> int:
        """The cut with everything on the client."""
        return len(self.nbytes) - 1

    @classmethod
    def of(cls, network: Network, subnet: str, before_ms: Sequence[float], behind_ms: Sequence[float],
           start_ms: float = 0.0) -> Costs:
        """Those of a SubNet; BadArgument when the times are not of its cuts."""
        s = network.subnet(subnet)
        count = len(s.layers) + 1
        if not len(before_ms) == len(behind_ms) == count:
            raise BadArgument(f"SubNet {subnet} has {count} cuts: the times have {len(before_ms)} and "
                              f"{len(behind_ms)}")
        return cls(before_ms=tuple(before_ms), behind_ms=tuple(behind_ms),
                   nbytes=tuple(size(network, s, n) for n in range(count)), start_ms=start_ms)

    def server_ms(self, cut: int) -> float:
        """What the server is expected to take behind a cut."""
        return 0.0 if cut == self.last else self.start_ms + self.behind_ms[cut]

    def totals(self, now: Conditions) -> list[float]:
        """Milliseconds of every cut; without a connection only the last one is possible."""
        return [before if n == self.last else before + now.crossing_ms(size) + now.load * self.server_ms(n)
                for n, (before, size) in enumerate(zip(self.before_ms, self.nbytes, strict=True))]


class Chooser:
    """The cut of a SubNet, which changes only when another one is clearly better."""

    def __init__(self, costs: Costs):
        self.costs = costs
        self.cut: int | None = None

    def choose(self, now: Conditions) -> int:
        """The cut for the next request."""
        totals = self.costs.totals(now)
        best = min(range(len(totals)), key=lambda n: (totals[n], n))
        if self.cut is None or totals[best] < (1 - KEEP) * totals[self.cut]:
            self.cut = best
        return self.cut

    def probe(self, now: Conditions) -> tuple[int, float]:
        """The best cut that needs the server, and by how many milliseconds it is worse than the best of all."""
        totals = self.costs.totals(now)
        cut = min(range(self.costs.last), key=lambda n: (totals[n], n))
        return cut, totals[cut] - min(totals)
