"""Predicted cost of the steps of a program."""
from __future__ import annotations

from collections.abc import Iterable

from nigiri.compiler.bands import map_rows
from nigiri.compiler.cost import Cost, conv_cycles, fetch_bytes
from nigiri.compiler.graph import Network
from nigiri.compiler.schedule import Compute, Step
from nigiri.spec.config import AcceleratorConfig

__all__ = ["cycles_of", "step_cost"]


def step_cost(network: Network, step: Step, config: AcceleratorConfig) -> Cost:
    """What one step needs."""
    if not isinstance(step, Compute):
        return Cost(act_bytes=8 * step.words)
    layer = step.layer
    s = network.super_layer(layer)
    first, end = map_rows(s, layer, step.rows)
    pixels = (end - first) * -(-layer.width // s.step)
    return Cost(compute=conv_cycles(s, layer, pixels, config, step.split, step.images),
                weight_bytes=fetch_bytes(s, layer))


def cycles_of(network: Network, steps: Iterable[Step], config: AcceleratorConfig, rate: float) -> float:
    """Predicted cycles of all steps, one after the other; `rate` is bytes a cycle."""
    return sum((step_cost(network, step, config).cycles(rate) for step in steps), 0.0)
