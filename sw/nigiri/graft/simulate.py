"""Replays a plan with arriving requests: who is answered within the budget of its fragment."""
from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nigiri.graft.fragment import Plan
from nigiri.graft.place import Placed, place, spread
from nigiri.graft.profile import SIZES, Profile

__all__ = ["Replay", "needed", "replay"]

JITTER = 0.3
"""Arrivals are this share of a period early or late."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """requests: that arrived.  met: in time; those of refused fragments are not.  mean_size: images of a launch."""

    requests: int
    met: int
    mean_size: float

    @property
    def attainment(self) -> float:
        return self.met / self.requests if self.requests else 1.0


@dataclass(frozen=True)
class _Request:
    born: float
    fragment: int
    step: int


@dataclass
class _Unit:
    """Instances with the same stages; requests of every stage wait in one queue.

    devices: of the instances that are idle now.  turn: of `stages`, the one that may launch next.
    """

    stages: tuple[int, ...]
    sizes: tuple[int, ...]
    share: float
    ms: list[dict[int, float]]
    devices: list[int] = field(default_factory=list)
    queues: list[deque[_Request]] = field(default_factory=list)
    turn: int = 0

    def take(self) -> tuple[list[_Request], float] | None:
        """The next launch in the order of the round: its requests, and its time on a whole device."""
        for k in range(len(self.stages)):
            n = (self.turn + k) % len(self.stages)
            if self.queues[n]:
                taken = [self.queues[n].popleft() for _ in range(min(self.sizes[n], len(self.queues[n])))]
                self.turn = (n + 1) % len(self.stages)
                return taken, self.ms[n][next(s for s in SIZES if s >= len(taken))]
        return None


def _units(profile: Profile, plan: Plan, placed: Placed) -> list[_Unit]:
    def unit(stages: Sequence[int], sizes: Sequence[int], share: float) -> _Unit:
        rows = [{size: profile.latency(s.subnet, s.first, s.end, size) for size in SIZES}
                for s in (plan.stages[n] for n in stages)]
        return _Unit(tuple(stages), tuple(sizes), share, rows, queues=[deque() for _ in stages])

    out = {h.stages: unit(h.stages, h.sizes, h.share) for h in plan.hosts}
    out |= {(n,): unit([n], [s.instances.size], s.instances.share) for n, s in plan.own}
    for k, device in enumerate(placed.devices):
        for stages, _ in device:
            out[stages].devices.append(k)
    return list(out.values())


@dataclass(frozen=True)
class _Launch:
    """ms: on a whole device."""

    unit: _Unit
    device: int
    taken: list[_Request]
    ms: float


class _Devices:
    """When launches end.  Sliced: an instance's share is a slower device of its own.  Whole: a device runs one launch
    after the other to its end, the one first that would end first if it were sliced."""

    def __init__(self, whole: bool, push: Callable[[float, _Launch], None]):
        self.whole, self.push = whole, push
        self.waiting: dict[int, list[tuple[float, int, _Launch]]] = {}
        self.busy: set[int] = set()
        self.count = 0

    def launch(self, now: float, x: _Launch) -> None:
        due = now + x.ms / x.unit.share
        if not self.whole:
            self.push(due, x)
            return
        self.count += 1
        heapq.heappush(self.waiting.setdefault(x.device, []), (due, self.count, x))
        self._next(now, x.device)

    def freed(self, now: float, device: int) -> None:
        if self.whole:
            self.busy.discard(device)
            self._next(now, device)

    def _next(self, now: float, device: int) -> None:
        if device not in self.busy and self.waiting.get(device):
            _, _, x = heapq.heappop(self.waiting[device])
            self.busy.add(device)
            self.push(now + x.ms, x)


def replay(profile: Profile, plan: Plan, seconds: float, seed: int = 0, whole: bool = False,
           placed: Placed | None = None) -> Replay:
    """Every fragment sends at its rate, with a phase and a jitter of its own.

    whole: devices run whole launches, as the accelerator does, which cannot stop in the middle of one; otherwise a
    share of a device is a slower device.  placed: which instances are on which device; :func:`place` when left out.
    """
    events: list[tuple[float, int, _Request | _Launch]] = []
    count = requests = met = launches = images = 0

    def push(time: float, what: _Request | _Launch) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (time, count, what))

    for at, n in _arrivals(plan, seconds, seed):
        push(at, _Request(at, n, 0))
    units, devices = _units(profile, plan, placed or place(plan)), _Devices(whole, push)
    where = {n: (u, k) for u in units for k, n in enumerate(u.stages)}
    paths = [plan.numbers(n) for n in range(len(plan.fragments))]

    def start(unit: _Unit, now: float) -> None:
        nonlocal launches, images
        while unit.devices and (found := unit.take()):
            launches, images = launches + 1, images + len(found[0])
            devices.launch(now, _Launch(unit, unit.devices.pop(0), *found))

    def arrived(r: _Request, now: float) -> _Unit | None:
        """Puts a request into the next queue, which is returned, or counts it."""
        nonlocal met
        if r.fragment in plan.refused:
            return None
        if r.step == len(paths[r.fragment]):
            met += now - r.born <= plan.fragments[r.fragment].budget_ms + 1e-6
            return None
        unit, k = where[paths[r.fragment][r.step]]
        unit.queues[k].append(r)
        return unit

    while events:
        now, _, what = heapq.heappop(events)
        if isinstance(what, _Request):
            requests += 1
            if touched := arrived(what, now):
                start(touched, now)
            continue
        what.unit.devices.append(what.device)
        for unit in [what.unit, *(arrived(replace(r, step=r.step + 1), now) for r in what.taken)]:
            if unit:
                start(unit, now)
        devices.freed(now, what.device)
    return Replay(requests=requests, met=met, mean_size=images / launches if launches else 0.0)


def _arrivals(plan: Plan, seconds: float, seed: int) -> list[tuple[float, int]]:
    """(ms, fragment); a fragment of several clients is that many streams."""
    rng, out = random.Random(seed), []
    for n, f in enumerate(plan.fragments):
        streams = max(1, len(f.clients))
        period = 1e3 * streams / f.rate
        for _ in range(streams):
            at = rng.uniform(0, period)
            while at < 1e3 * seconds:
                out.append((max(0.0, at + rng.uniform(-JITTER, JITTER) * period / 2), n))
                at += period
    return out


def needed(profile: Profile, plan: Plan, seconds: float, target: float = 0.99, seed: int = 0) -> int:
    """Fewest devices with which a replay of whole launches answers `target` of what the plan did not refuse in time,
    though shares then add up to more than a device: what the plan takes if nothing has to be promised."""
    kept = [n for n in range(len(plan.fragments)) if n not in plan.refused]
    most = max(1, len(place(plan).devices))
    share = sum(plan.fragments[n].rate for n in kept) / max(1e-9, sum(f.rate for f in plan.fragments))
    for devices in range(1, most):
        if replay(profile, plan, seconds, seed, True, spread(plan, devices)).attainment >= target * share:
            return devices
    return most
