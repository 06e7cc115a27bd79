"""Plans of SubNets, and the steps that they become, with every buffer placed.

A plan for a batch has stages: early layers are computed image by image, later ones for groups of more and more images
with weights that are read once for each group, the last ones for the whole batch.  Before a group is computed in its
stage, the stage before has computed all the groups in it.  Each leaves the tensors that later stages read, the
crossing ones, in its place of a buffer for as many images as the last stage takes that reads it.  Crossing tensors
that are *parked* take the way through memory instead.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nigiri.compiler.allocate import place
from nigiri.compiler.buffers import Buffer, Forms
from nigiri.compiler.graph import Network, SubNet
from nigiri.compiler.schedule import Schedule, Segment, Step, Store
from nigiri.spec.config import AcceleratorConfig

__all__ = ["Group", "Plan", "Stages", "scheduled", "stages"]

Group = tuple[int, int]
"""The first layer of a stage, and the images that it computes at once."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """subnet: the SubNet with its layers in the order of the program.  segments: in that order.

    spilled: tensors that are stored in memory when they are made and loaded where they are read.
    groups: the stages of a batch; a segment begins with each.  The number of images of each divides the next one; that
    of the last one is the batch.  Layers of several images are whole.
    parked: crossing tensors that go through memory; those that are spilled always do.
    """

    subnet: SubNet
    segments: tuple[Segment, ...]
    spilled: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ((0, 1),)
    parked: frozenset[str] = frozenset()

    @property
    def batch(self) -> int:
        """Images of a launch."""
        return self.groups[-1][1]


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Steps whose buffers are not placed, of one group of images in each stage; images: in a group of each.

    buffers: those of all stages, with live ranges over the stages one after the other.
    """

    images: Sequence[int]
    steps: Sequence[Sequence[Step]]
    buffers: Sequence[Buffer]

    def expanded(self) -> Iterator[Step]:
        """The steps of the program."""
        return self._group(len(self.steps) - 1, 0)

    def _group(self, stage: int, first: int) -> Iterator[Step]:
        """Everything that the group from image `first` on needs in a stage and those before it."""
        if stage:
            for n in range(first, first + self.images[stage], self.images[stage - 1]):
                yield from self._group(stage - 1, n)
        yield from (replace(x, image=first) for x in self.steps[stage])


def stages(network: Network, config: AcceleratorConfig, plan: Plan, keep_all: bool = False) -> Stages:
    """The stages of a plan; that for one image has one."""
    moved, subnet = plan.parked | plan.spilled, plan.subnet
    parts = [Schedule(network, subnet, config, keep_all, plan.spilled if images == 1 else frozenset(),
                      forms=Forms(network, subnet, config, plan.spilled, images),
                      fetched=moved.union(subnet.starts) if n else frozenset(subnet.starts))
             for n, (_, images) in enumerate(plan.groups)]
    starts = [first for first, _ in plan.groups]

    def stage(layer: int) -> int:
        return sum(first <= layer for first in starts) - 1

    count = len(subnet.layers)
    crossing = {t: (stage(parts[0].written[t]), stage(min(last, count - 1))) for t, last in parts[0].last.items()
                if t not in subnet.starts and stage(parts[0].written[t]) < stage(min(last, count - 1))}
    held = []
    for t, (writer, reader) in crossing.items():
        if t not in moved:
            held.append(parts[reader].forms.buffer(t))
            for part in parts[writer:reader + 1]:
                part.whole[t] = held[-1]
    steps: list[list[Step]] = []
    for n, part in enumerate(parts):
        steps.append([x for s in plan.segments if stage(s.first) == n for x in part.segment(s)])
        steps[n] += [Store(buffer=part.whole[t]) for t, (writer, _) in crossing.items()
                     if writer == n and t in moved and t not in part.spilled]
    buffers = parts[0].live([x for part_steps in steps for x in part_steps])
    for b in held:
        # What one group leaves stays there while the next ones are computed.
        b.first = 0
    return Stages(images=[images for _, images in plan.groups], steps=steps, buffers=buffers)


def scheduled(network: Network, config: AcceleratorConfig, plan: Plan,
              keep_all: bool = False) -> tuple[list[Step], int]:
    """The steps of a plan with their buffers placed, and the pixel words they need."""
    parts = stages(network, config, plan, keep_all)
    need = place(parts.buffers, config.ab_words)
    return list(parts.expanded()), need
