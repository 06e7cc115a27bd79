"""Chooses the plan of a SubNet by predicted cycles: which layers are computed whole, which together in bands of rows.

Everything that is alive between two segments is whole in the activation buffer, so a segment can be judged by itself:
dynamic programming over the layers finds the cheapest sequence of segments that each fit.  Whole layers cost least;
bands are tried only around a layer that does not fit whole.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from nigiri.compiler.buffers import Buffer
from nigiri.compiler.cost import memory_rate
from nigiri.compiler.errors import ActivationBufferError
from nigiri.compiler.graph import Network, SubNet
from nigiri.compiler.plan import Plan, scheduled
from nigiri.compiler.predict import cycles_of
from nigiri.compiler.schedule import SAMPLE, Compute, Schedule, Segment, Step
from nigiri.spec.config import AcceleratorConfig

__all__ = ["Plan", "make_plan", "orders", "peak", "scheduled", "whole_words"]

CHAIN = 24
"""Most layers of a segment in bands."""
MARGINS = (1.0, 0.97, 0.94, 0.9, 0.85, 0.8, 0.72, 0.64)
"""Shares of the buffer that a plan may use by the sum of what is alive: buffers also have to lie side by side."""

WORTH = 0.05
"""Share of its cycles that a SubNet may lose to bands before tensors in memory are tried instead."""
PATIENCE = 3
"""Tensors in memory that are tried without a gain before the search ends."""


def peak(buffers: Sequence[Buffer], steps: int) -> int:
    """Most pixel words that are alive in one of `steps` steps; what is written over another counts once."""
    change = [0] * (steps + 2)
    of: dict[int, Buffer] = {}
    spans: dict[int, list[int]] = {}
    for b in buffers:
        root = of[id(b.over)] if b.over is not None and not b.over_gap else b
        of[id(b)] = root
        span = spans.setdefault(id(root), [b.first, b.last, 0])
        span[:] = min(span[0], b.first), max(span[1], b.last), max(span[2], b.words)
        if b.over_gap:
            spans[-id(b)] = [b.first, b.first, b.over_gap - b.words]
    for first, last, words in spans.values():
        change[max(first, 0)] += words
        change[min(last, steps) + 1] -= words
    most = now = 0
    for n in range(steps + 1):
        now += change[n]
        most = max(most, now)
    return most


class _Chooser:
    def __init__(self, network: Network, subnet: SubNet, config: AcceleratorConfig,
                 spilled: frozenset[str] = frozenset()):
        self.network, self.subnet, self.config, self.spilled = network, subnet, config, spilled
        self.schedule = Schedule(network, subnet, config, spilled=spilled)
        self.stuck = 0
        self.rate = memory_rate(config)
        self.seen: dict[Segment, tuple[float, int]] = {}

    def judge(self, segment: Segment) -> tuple[float, int]:
        """(predicted cycles, pixel words alive at most) of a segment."""
        if segment not in self.seen:
            s = self.schedule
            s.whole = {t: s.forms.buffer(t) for t in s.crossing(segment.first) if t not in s.starts or segment.first}
            before = list(s.whole.values())
            steps = s.segment(segment, sample=True)
            inside = s.live(steps)
            for b in before:
                b.first, b.last = -1, max(b.last, 0)
            for t in s.crossing(segment.end):
                if t in s.whole:
                    s.whole[t].last = len(steps)
            buffers = before + [b for b in inside if b.first >= 0]
            self.seen[segment] = self._cycles(segment, steps), peak(buffers, len(steps))
        return self.seen[segment]

    def _cycles(self, segment: Segment, steps: list[Step]) -> float:
        """Cycles of all bands, of which `steps` may have only some: those left out cost what the inner ones cost."""
        numbers = {x.band for x in steps if x.band >= 0}
        cost = cycles_of(self.network, steps, self.config, self.rate)
        if len(numbers) < 2 * SAMPLE or max(numbers) + 1 == len(numbers):
            return cost
        inner = [x for x in steps if x.band in (SAMPLE - 1, max(numbers) - 1)]
        return cost + (max(numbers) + 1 - len(numbers)) / 2 * cycles_of(self.network, inner, self.config, self.rate)

    def whole(self, n: int) -> tuple[float, int]:
        return self.judge(Segment(first=n, end=n + 1))

    def floor(self, first: int, end: int) -> int:
        """Pixel words that are alive all through a segment in bands, however many."""
        s = self.schedule
        names = set(s.crossing(end)) | {t for t in s.crossing(first) if t not in s.starts or first}
        final = self.subnet.layers[end - 1]
        if final.residual and final.residual.source in names and s.last[final.residual.source] < end:
            names.discard(final.residual.source)
        return sum(s.forms.buffer(t).words for t in names)

    def banded(self, first: int, end: int, budget: float) -> tuple[float, Segment] | None:
        """The fewest bands that fit `budget`."""
        name = self.subnet.layers[end - 1].name
        rows = self.schedule.forms.rows(name)
        low, high = 1, -(-rows // self.schedule.forms.unit(name))

        def fits(bands: int) -> bool:
            return self.judge(Segment(first=first, end=end, bands=bands))[1] <= budget

        if high < 2 or self.floor(first, end) > budget or not fits(high):
            return None
        while high - low > 1:
            bands = min(low * 2, (low + high) // 2)
            low, high = (low, bands) if fits(bands) else (bands, high)
        segment = Segment(first=first, end=end, bands=high)
        return self.judge(segment)[0], segment

    def choose(self, budget: float) -> list[Segment] | None:
        """The cheapest sequence of segments whose living tensors fit `budget` pixel words."""
        count = len(self.subnet.layers)
        fits = [self.whole(n)[1] <= budget for n in range(count)]
        bound = [0.0]
        for n in range(count):
            bound.append(bound[-1] + self.whole(n)[0])
        best: list[tuple[float, tuple[Segment, ...]]] = [(0.0, ())]
        self.stuck = 0
        for end in range(1, count + 1):
            found: tuple[float, tuple[Segment, ...]] = (inf, ())
            if fits[end - 1] and best[end - 1][0] < inf:
                found = best[end - 1][0] + self.whole(end - 1)[0], (*best[end - 1][1], Segment(first=end - 1, end=end))
            for first in range(end - 1, max(-1, end - 1 - CHAIN), -1):
                if not self.schedule.bandable(Segment(first=first, end=end, bands=2)):
                    break
                cheapest = best[first][0] + bound[end] - bound[first]
                alone = self.subnet.layers[first] if first and end - first == 1 else None
                if all(fits[first:end]) or cheapest >= found[0]:
                    continue
                if alone and not self.spilled.intersection((alone.name, *alone.sources)):
                    continue
                banded = self.banded(first, end, budget)
                if banded and best[first][0] + banded[0] < found[0]:
                    found = best[first][0] + banded[0], (*best[first][1], banded[1])
            best.append(found)
            if found[0] < inf:
                self.stuck = end
        return None if best[count][0] == inf else _joined(best[count][1])


    def plan(self) -> tuple[float, Plan] | None:
        """(predicted cycles, plan): the cheapest that really fits."""
        for margin in MARGINS:
            segments = self.choose(margin * self.config.ab_words)
            if segments is None:
                return None
            plan = Plan(subnet=self.subnet, segments=tuple(segments), spilled=self.spilled)
            # A tensor that came to lie inside a segment in bands is not moved.
            steps, need = scheduled(self.network, self.config, plan)
            moved = {x.buffer.tensor for x in steps if not isinstance(x, Compute)}
            for trial in (replace(plan, spilled=plan.spilled & moved), plan):
                steps, need = scheduled(self.network, self.config, trial)
                if need <= self.config.ab_words:
                    return cycles_of(self.network, steps, self.config, self.rate), trial
        return None

    def spill(self, first: int, end: int) -> _Chooser | None:
        """With one more tensor in memory: the largest alive at layers `first` .. `end` - 1; None if none is left."""
        s, near = self.schedule, set()
        for n in range(first, min(end, len(self.subnet.layers))):
            layer = self.subnet.layers[n]
            near |= {*s.crossing(n), *s.crossing(n + 1), *layer.sources, layer.name}
        near -= s.starts | s.operands | set(self.subnet.ends)
        near = {t for t in near if t in s.last and t not in self.spilled
                and t not in s.forms.polyphase and t not in s.forms.averages and s.forms.rows(t) > 1}
        if not near:
            return None
        most = max(sorted(near), key=lambda t: s.forms.buffer(t).words)
        return _Chooser(self.network, self.subnet, self.config, self.spilled | {most})

    def overhead(self, plan: Plan) -> tuple[float, Segment]:
        """(cycles that bands cost more than whole layers, relative to these; the segment that has most of it)."""
        ideal = [sum(self.whole(n)[0] for n in range(x.first, x.end)) for x in plan.segments]
        extra = [self.judge(x)[0] - y if x.bands > 1 else 0.0 for x, y in zip(plan.segments, ideal, strict=True)]
        return sum(extra) / sum(ideal), plan.segments[extra.index(max(extra))]

    def error(self) -> ActivationBufferError:
        worst = max(range(len(self.subnet.layers)), key=lambda n: self.whole(n)[1])
        return ActivationBufferError(
            f"SubNet {self.subnet.info.name}, layer {self.subnet.layers[worst].name}: the tensors in use need "
            f"{self.whole(worst)[1]} pixel words of activation buffer, configuration {self.config.name!r} has "
            f"{self.config.ab_words}, and no bands of rows fit: choose a larger configuration")


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Neighbouring whole segments as one."""
    out: list[Segment] = []
    for s in segments:
        if out and out[-1].bands == s.bands == 1:
            out[-1] = Segment(first=out[-1].first, end=s.end)
        else:
            out.append(s)
    return out


def whole_words(network: Network, subnet: SubNet, config: AcceleratorConfig, n: int) -> int:
    """Pixel words that are alive while layer `n` is computed as a whole."""
    return _Chooser(network, subnet, config).whole(n)[1]


def orders(subnet: SubNet) -> Iterator[SubNet]:
    """The SubNet as it is, and with every residual input computed just before it is added."""
    yield subnet
    by_name = {t: n for n, x in enumerate(subnet.layers) for t in (x.name, f"{x.name}.pool")}
    done: dict[int, None] = {}
    todo = [(len(subnet.layers) - 1, False)]
    while todo:
        n, ready = todo.pop()
        if ready:
            done[n] = None
        elif n not in done:
            todo.append((n, True))
            todo += [(by_name[t], False) for t in reversed(subnet.layers[n].reads) if t in by_name]
    if len(done) == len(subnet.layers) and list(done) != sorted(done):
        yield replace(subnet, layers=tuple(subnet.layers[n] for n in done))


def make_plan(network: Network, subnet: SubNet, config: AcceleratorConfig) -> Plan:
    """The plan with the fewest predicted cycles of those that fit.

    Raises
    ------
    ActivationBufferError: none fits; names the layer, the words it needs and the words there are.
    """
    best: tuple[float, Plan] | None = None
    failed: list[_Chooser] = []
    for ordered in orders(subnet):
        plan = Plan(subnet=ordered, segments=(Segment(first=0, end=len(ordered.layers)),))
        if scheduled(network, config, plan)[1] <= config.ab_words:
            return plan
        chooser: _Chooser | None = _Chooser(network, ordered, config)
        vain = 0
        while chooser and vain < PATIENCE:
            failed.append(chooser)
            found = chooser.plan()
            if found is None:
                chooser = chooser.spill(chooser.stuck, chooser.stuck + 1)
                continue
            vain = 0 if best is None or found[0] < best[0] else vain + 1
            best = found if not vain else best
            extra, worst = chooser.overhead(found[1])
            chooser = chooser.spill(worst.first, worst.end) if extra > WORTH else None
    if best is None:
        raise failed[0].error()
    return best[1]
