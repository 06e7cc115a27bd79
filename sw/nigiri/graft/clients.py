"""Clients with slow devices and mobile links: which fragment each asks for at a bandwidth."""
from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nigiri.graft.fragment import Fragment
from nigiri.graft.profile import Profile
from nigiri.traffic.bandwidth import Bandwidths

__all__ = ["Client", "clients", "fragment_at", "fragments_at"]

RTT_MS = 6.0
"""There and back, without the bytes."""
HYSTERESIS = 1.1
"""A client moves its cut when that is sooner by this factor, as :mod:`nigiri.split` does."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """client_ms: of every layer on its own device.  slo_ms: from image to answer.  rate: images a second.

    offset_s: where its link is in the trace.  fixed: the cut of a client that never changes it.
    """

    number: int
    subnet: str
    client_ms: tuple[float, ...]
    slo_ms: float
    rate: float
    trace: Bandwidths
    offset_s: float
    fixed: int | None = None


def clients(profile: Profile, own_ms: Mapping[str, Sequence[float]], traces: Sequence[Bandwidths], count: int,
            seed: int = 0, slo: float = 0.7, rates: tuple[float, float] = (1.0, 8.0)) -> list[Client]:
    """Random clients.  own_ms: by SubNet, each layer on a client's device; times of clients differ by 0.75 to 1.5.

    slo: the objective as a share of what the client would need alone.
    """
    rng, out = random.Random(seed), []
    names = sorted(own_ms)
    for n in range(count):
        subnet, speed = rng.choice(names), rng.uniform(0.75, 1.5)
        own = tuple(ms * speed for ms in own_ms[subnet])
        out.append(Client(number=n, subnet=subnet, client_ms=own, slo_ms=slo * sum(own), rate=rng.uniform(*rates),
                          trace=rng.choice(list(traces)), offset_s=rng.uniform(0, 600)))
    return out


def _fragment(profile: Profile, c: Client, cut: int, mbit_s: float) -> Fragment | None:
    """What is left behind a cut; None when nothing can be in time."""
    if cut < profile.layers(c.subnet) and mbit_s <= 0:
        return None
    sent = RTT_MS + 8e-3 * profile.nbytes[c.subnet][cut] / mbit_s if cut < profile.layers(c.subnet) else 0.0
    budget = c.slo_ms - sum(c.client_ms[:cut]) - sent
    if budget <= 0:
        return None
    return Fragment(subnet=c.subnet, first=cut, budget_ms=budget, rate=c.rate, clients=(c.number,))


def fragment_at(profile: Profile, c: Client, mbit_s: float, last: int | None = None) -> Fragment | None:
    """The fragment of a client that cuts where an image is answered soonest by an idle server (Neurosurgeon, Kang et
    al., ASPLOS 2017), or at its fixed cut; None when that is too late anyhow.

    last: where it cut before; it stays there unless another cut is better by a tenth.
    """
    if c.fixed is not None:
        return _fragment(profile, c, c.fixed, mbit_s)
    found: dict[int, tuple[float, Fragment]] = {}
    end = profile.layers(c.subnet)
    for cut in (0, *profile.cuts[c.subnet]):
        if f := _fragment(profile, c, cut, mbit_s):
            server = profile.latency(c.subnet, cut, end, 1) if cut < end else 0.0
            found[cut] = c.slo_ms - f.budget_ms + server, f
    if not found:
        return None
    best = min(found.values(), key=lambda x: x[0])
    if last in found and found[last][0] <= HYSTERESIS * best[0]:
        best = found[last]
    return best[1]


def fragments_at(profile: Profile, many: Sequence[Client], time_s: float) -> tuple[list[Fragment], int]:
    """(fragments of all clients at a time, clients that cannot be in time)."""
    found = [fragment_at(profile, c, c.trace.at(time_s + c.offset_s)) for c in many]
    return [f for f in found if f], sum(f is None for f in found)
