"""Chooses how many images of a batch each layer of a SubNet computes at once."""
from __future__ import annotations

from collections.abc import Iterator

from nigiri.compiler.allocate import place
from nigiri.compiler.buffers import Forms
from nigiri.compiler.chains import make_plan, peak
from nigiri.compiler.cost import memory_rate
from nigiri.compiler.errors import BatchError
from nigiri.compiler.graph import Network, SubNet
from nigiri.compiler.plan import Group, Plan, stages
from nigiri.compiler.predict import cycles_of
from nigiri.compiler.schedule import Schedule, Segment, Step
from nigiri.runtime.errors import BadArgument
from nigiri.spec.config import AcceleratorConfig

__all__ = ["MOST", "batch_plan", "check_batch", "with_groups"]

MOST = 16
"""Images that a descriptor can compute."""


def check_batch(batch: int) -> None:
    """Raises BadArgument unless a launch can have so many images."""
    if not 1 <= batch <= MOST:
        raise BadArgument(f"a batch must have 1 to {MOST} images, not {batch}")


def _sizes(batch: int) -> list[int]:
    """Images of the stages: half of the next one's as long as that is even, and one image first."""
    out = [batch]
    while out[0] % 2 == 0 and out[0] > 2:
        out.insert(0, out[0] // 2)
    return [1, *out]


def with_groups(single: Plan, groups: tuple[Group, ...], parked: frozenset[str] = frozenset()) -> Plan | None:
    """The plan for one image with other stages; None where one begins inside bands."""
    count = len(single.subnet.layers)
    first = next((n for n, images in groups if images > 1), count)
    out = []
    for s in single.segments:
        if s.end <= first:
            out.append(s)
        elif s.first < first:
            if s.bands > 1:
                return None
            out.append(Segment(first=s.first, end=first))
    starts = [n for n, images in groups if images > 1]
    out += [Segment(first=a, end=b) for a, b in zip(starts, [*starts[1:], count], strict=True)]
    return Plan(subnet=single.subnet, segments=tuple(out), spilled=single.spilled, groups=groups, parked=parked)


class _Search:
    """Moves the begins of the stages, as long as the predicted cycles become fewer.

    A state has the first layer of every stage but the one of single images, and whether crossing tensors are parked.
    """

    def __init__(self, network: Network, config: AcceleratorConfig, single: Plan, batch: int):
        self.network, self.config, self.single = network, config, single
        self.sizes, self.count = _sizes(batch), len(single.subnet.layers)
        self.rate = memory_rate(config)
        self.schedule = Schedule(network, single.subnet, config)
        self.words = {t: self.schedule.forms.buffer(t).words for t in self.schedule.last
                      if t not in self.schedule.starts}
        self.sums = [self._sums(images) for images in self.sizes]
        self.fits: dict[tuple[tuple[int, ...], bool], Plan | None] = {}

    def _sums(self, images: int) -> list[float]:
        """Cycles of the first layers, 0 to all of them, for the batch in groups of `images`."""
        single, groups = self.single, self.sizes[-1] // images
        spilled = single.spilled if images == 1 else frozenset[str]()
        part = Schedule(self.network, single.subnet, self.config, spilled=spilled,
                        forms=Forms(self.network, single.subnet, self.config, single.spilled, images))
        out = [0.0]
        if images > 1:
            for n in range(self.count):
                out.append(out[-1] + groups * self._cycles(part.segment(Segment(first=n, end=n + 1))))
            return out
        for s in single.segments:
            layers = [Segment(first=n, end=n + 1) for n in range(s.first, s.end)] if s.bands == 1 else [s]
            for x in layers:
                # Inside bands no other stage can begin.
                out += [out[-1]] * (x.end - x.first - 1) + [out[-1] + groups * self._cycles(part.segment(x))]
        return out

    def _cycles(self, steps: list[Step]) -> float:
        return cycles_of(self.network, steps, self.config, self.rate)

    def _groups(self, starts: tuple[int, ...]) -> tuple[Group, ...]:
        ends = (*starts, self.count)
        return tuple((first, images) for first, end, images in zip((0, *starts), ends, self.sizes, strict=True)
                     if first < end)

    def _crossing(self, groups: tuple[Group, ...]) -> frozenset[str]:
        return frozenset(t for first, _ in groups for t in self.schedule.crossing(first)) - self.schedule.starts

    def cost(self, starts: tuple[int, ...], parked: bool) -> float:
        """Predicted cycles."""
        ends = (*starts, self.count)
        total = sum(s[end] - s[first] for s, first, end in zip(self.sums, (0, *starts), ends, strict=True))
        if parked:
            moved = self._crossing(self._groups(starts))
            total += 2 * 8 * self.sizes[-1] / self.rate * sum(self.words[t] for t in moved)
        return total

    def plan(self, starts: tuple[int, ...], parked: bool) -> Plan | None:
        """The plan of a state, if it fits."""
        if (starts, parked) not in self.fits:
            groups = self._groups(starts)
            plan = with_groups(self.single, groups, self._crossing(groups) if parked else frozenset())
            self.fits[starts, parked] = plan if plan and self._fit(plan) else None
        return self.fits[starts, parked]

    def _fit(self, plan: Plan) -> bool:
        parts, most = stages(self.network, self.config, plan), self.config.ab_words
        return peak(parts.buffers, sum(map(len, parts.steps))) <= most and place(parts.buffers, most) <= most

    def _moves(self, starts: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], bool]]:
        """States in which one stage begins elsewhere; those before it begin no later, those behind it no earlier."""
        for k in range(len(starts)):
            for n in range(self.count):
                moved = (*(min(x, n) for x in starts[:k]), n, *(max(x, n) for x in starts[k + 1:]))
                yield from ((moved, parked) for parked in (False, True))

    def run(self) -> Plan | None:
        """The plan that no move makes cheaper; None if not even the last layer fits for all images."""
        starts = (self.count - 1,) * (len(self.sizes) - 1)
        best = self.plan(starts, False) or self.plan(starts, True)
        now = self.cost(starts, not self.plan(starts, False))
        while best:
            moves = sorted((cost, state) for state in set(self._moves(starts)) if (cost := self.cost(*state)) < now - 1)
            for cost, state in moves:
                if found := self.plan(*state):
                    best, now, starts = found, cost, state[0]
                    break
            else:
                break
        return best


def batch_plan(network: Network, subnet: SubNet, config: AcceleratorConfig, batch: int) -> Plan:
    """A plan for `batch` images that fits, chosen by predicted cycles; where all layers fit for all images, that one.

    Layers of single images are computed as in the plan for one image.

    Raises
    ------
    BadArgument: `batch` is not from 1 to 16.
    BatchError: not even the last layer fits for all images.
    ActivationBufferError: one image does not fit.
    """
    check_batch(batch)
    single = make_plan(network, subnet, config)
    if batch == 1:
        return single
    if plan := _Search(network, config, single, batch).run():
        return plan
    raise BatchError(f"SubNet {subnet.info.name}: the tensors of {batch} images do not fit the {config.ab_words} pixel "
                     f"words of activation buffer of configuration {config.name!r} even if only layer "
                     f"{single.subnet.layers[-1].name} is computed for all of them together: choose a smaller batch or "
                     f"a larger configuration")
