"""Chooses the plan of a SubNet: which layers are computed whole, which in bands of rows."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.compiler.allocate import place
from nigiri.compiler.errors import ActivationBufferError
from nigiri.compiler.graph import Network, SubNet
from nigiri.compiler.schedule import Schedule, Segment, Step
from nigiri.spec.config import AcceleratorConfig

__all__ = ["Plan", "make_plan", "scheduled"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """segments in program order; reasons: why, by index of the segment."""

    segments: tuple[Segment, ...]


def scheduled(network: Network, subnet: SubNet, config: AcceleratorConfig, plan: Plan,
              keep_all: bool = False) -> tuple[list[Step], int]:
    """The steps of a plan with their buffers placed, and the pixel words they need."""
    schedule = Schedule(network, subnet, config, keep_all)
    steps = schedule.steps(plan.segments)
    return steps, place(schedule.live(steps), config.ab_words)


def make_plan(network: Network, subnet: SubNet, config: AcceleratorConfig) -> Plan:
    """The plan with the fewest predicted cycles of those that fit.

    Raises
    ------
    ActivationBufferError: none fits; names the layer, the words it needs and the words there are.
    """
    plan = Plan(segments=(Segment(first=0, end=len(subnet.layers)),))
    steps, need = scheduled(network, subnet, config, plan)
    if need > config.ab_words:
        raise ActivationBufferError(
            f"SubNet {subnet.info.name}, layer {subnet.layers[0].name}: the tensors in use need {need} pixel words of "
            f"activation buffer, configuration {config.name!r} has {config.ab_words}: choose a larger configuration")
    return plan
