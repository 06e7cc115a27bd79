"""Plans of SubNets, and the steps that they become, with every buffer placed.

A plan for a batch has two stages.  The layers before its cut are computed image by image; each image leaves the
tensors that later layers read, the crossing ones, in its place of buffers that hold those of all images.  The layers
from the cut on are computed for all images at once, with weights that are read once.  Crossing tensors that are
*parked* take the way through memory instead: they are stored image by image and loaded together.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nigiri.compiler.allocate import place
from nigiri.compiler.buffers import Buffer, Forms
from nigiri.compiler.graph import INPUT, Network, SubNet
from nigiri.compiler.schedule import Schedule, Segment, Step, Store
from nigiri.spec.config import AcceleratorConfig

__all__ = ["Plan", "Stages", "scheduled", "stages"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """subnet: the SubNet with its layers in the order of the program.  segments: in that order.

    spilled: tensors that are stored in memory when they are made and loaded where they are read.
    batch: images of a launch.  cut: the first layer that is computed for all of them at once, at the begin of the last
    segment; layers before it run image by image.  parked: crossing tensors that go through memory; those that are
    spilled always do.
    """

    subnet: SubNet
    segments: tuple[Segment, ...]
    spilled: frozenset[str] = frozenset()
    batch: int = 1
    cut: int = 0
    parked: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Steps whose buffers are not placed: `early` for one image, `late` for all.

    buffers: those of both, with live ranges over `early` once and then `late`.
    """

    early: Sequence[Step]
    late: Sequence[Step]
    buffers: Sequence[Buffer]

    def expanded(self, batch: int) -> list[Step]:
        """The steps of the program: `early` for every image."""
        return [*(replace(x, image=n) for n in range(batch) for x in self.early), *self.late]


def stages(network: Network, config: AcceleratorConfig, plan: Plan, keep_all: bool = False) -> Stages:
    """The two stages of a plan; a plan for one image has the second one only."""
    one = Schedule(network, plan.subnet, config, keep_all, plan.spilled)
    if plan.batch == 1:
        steps = one.steps(plan.segments)
        return Stages(early=(), late=steps, buffers=one.live(steps))
    many = Schedule(network, plan.subnet, config, keep_all,
                    forms=Forms(network, plan.subnet, config, plan.spilled, plan.batch),
                    fetched=plan.parked | plan.spilled | {INPUT})
    kept = [t for t in many.crossing(plan.cut) if t not in many.fetched]
    one.whole = {t: many.forms.buffer(t) for t in kept}
    many.whole = dict(one.whole)
    early = [x for segment in plan.segments[:-1] for x in one.segment(segment)]
    early += [Store(buffer=one.whole[t]) for t in many.crossing(plan.cut) if t in plan.parked - plan.spilled - {INPUT}]
    late = many.segment(plan.segments[-1])
    buffers = one.live([*early, *late])
    for t in kept:
        # What one image leaves stays there while the next ones are computed.
        many.whole[t].first = 0
    return Stages(early=early, late=late, buffers=buffers)


def scheduled(network: Network, config: AcceleratorConfig, plan: Plan,
              keep_all: bool = False) -> tuple[list[Step], int]:
    """The steps of a plan with their buffers placed, and the pixel words they need."""
    both = stages(network, config, plan, keep_all)
    return both.expanded(plan.batch), place(both.buffers, config.ab_words)
