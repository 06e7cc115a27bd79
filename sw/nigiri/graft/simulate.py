"""Replays a plan with arriving requests: who is answered within the budget of its fragment."""
from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass

from nigiri.graft.fragment import Plan, Stage
from nigiri.graft.profile import SIZES, Profile

__all__ = ["Replay", "replay"]

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


class _Server:
    """A stage's instances with one queue."""

    def __init__(self, profile: Profile, stage: Stage):
        self.stage, self.queue, self.idle = stage, deque[tuple[float, int, int]](), stage.instances.count
        self.ms = {size: profile.latency(stage.subnet, stage.first, stage.end, size) / stage.instances.share
                   for size in SIZES}


def replay(profile: Profile, plan: Plan, seconds: float, seed: int = 0) -> Replay:
    """Every fragment sends at its rate, with a phase and a jitter of its own; a share of a device is a slower one."""
    rng = random.Random(seed)
    servers = {id(s): _Server(profile, s) for s in plan.stages}
    paths = [plan.path(n) for n in range(len(plan.fragments))]
    events: list[tuple[float, int, str, tuple]] = []
    count = requests = met = launches = images = 0

    def push(time: float, kind: str, data: tuple) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (time, count, kind, data))

    for n, f in enumerate(plan.fragments):
        # A fragment of several clients is that many streams.
        streams = max(1, len(f.clients))
        period = 1e3 * streams / f.rate
        for _ in range(streams):
            at = rng.uniform(0, period)
            while at < 1e3 * seconds:
                push(max(0.0, at + rng.uniform(-JITTER, JITTER) * period / 2), "arrive", (n, 0, None))
                at += period

    def start(server: _Server, now: float) -> None:
        nonlocal launches, images
        while server.idle and server.queue:
            taken = [server.queue.popleft() for _ in range(min(server.stage.instances.size, len(server.queue)))]
            size = next(s for s in SIZES if s >= len(taken))
            server.idle -= 1
            launches, images = launches + 1, images + len(taken)
            push(now + server.ms[size], "done", (server, taken))

    while events:
        now, _, kind, data = heapq.heappop(events)
        if kind == "arrive":
            n, step, born = data
            if born is None:
                born = now
                requests += 1
                if n in plan.refused:
                    continue
            if step == len(paths[n]):
                met += now - born <= plan.fragments[n].budget_ms + 1e-6
                continue
            server = servers[id(paths[n][step])]
            server.queue.append((born, n, step))
            start(server, now)
        else:
            server, taken = data
            server.idle += 1
            for born, n, step in taken:
                push(now, "arrive", (n, step + 1, born))
            start(server, now)
    return Replay(requests=requests, met=met, mean_size=images / launches if launches else 0.0)
