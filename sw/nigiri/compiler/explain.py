"""What the compiler decided for a SubNet, layer by layer, and why."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nigiri.compiler.chains import make_plan, whole_words
from nigiri.compiler.cost import STEP, Cost, memory_rate
from nigiri.compiler.emit import check_rings
from nigiri.compiler.graph import Layer, Network, SubNet
from nigiri.compiler.plan import Plan, scheduled
from nigiri.compiler.predict import step_cost
from nigiri.compiler.schedule import Compute, Segment, Step
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting

__all__ = ["Explanation", "LayerRow", "explain"]


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer as it is computed; a transfer of activations has kind "load" or "store".

    split: groups of lanes, each with an output block of its own.  images: that are computed, or moved, together.
    bands: how often the layer is started, for all images of the batch.  cycles: predicted, for all of them.
    weight_bytes: with parameters and tables, all starts together.  bound: what takes longest.
    """

    name: str
    kind: str
    source: tuple[int, int, int]
    result: tuple[int, int, int]
    split: int
    images: int
    bands: int
    cycles: int
    weight_bytes: int
    act_bytes: int
    bound: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The plan of one SubNet: macs and cycles of a launch of `batch` images; ab_words: pixel words that it needs."""

    subnet: str
    config: str
    batch: int
    macs: int
    cycles: int
    utilization: float
    ab_words: int
    layers: tuple[LayerRow, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _kind(network: Network, layer: Layer) -> str:
    s = network.super_layer(layer)
    name = ("average" if s.average else "maximum" if s.maximum else "scale" if layer.scale
            else "identity" if s.shared else "depthwise" if s.depthwise else "dense")
    return f"{name} {layer.kernel}x{layer.kernel}" + (" s2" if s.stride == 2 else "")


def _reason(network: Network, plan: Plan, config: AcceleratorConfig, segment: Segment, n: int, step: Compute) -> str:
    out = step.out
    over = f", over {out.over.tensor}" if out and out.over else ""
    if step.images < plan.batch:
        over += ", image by image" if step.images == 1 else f", {step.images} images at once"
    if segment.bands == 1:
        return "whole" + over
    need = whole_words(network, plan.subnet, config, n)
    chain = f"{plan.subnet.layers[segment.first].name} to {plan.subnet.layers[segment.end - 1].name}"
    if need > config.ab_words:
        return f"in bands{over}: whole it needs {need:,} of {config.ab_words:,} pixel words"
    return f"in bands{over}, as part of {chain}"


def _row(network: Network, config: AcceleratorConfig, rate: float, name: str, steps: list[Step], why: str) -> LayerRow:
    costs = [step_cost(network, x, config) for x in steps]
    total = sum(costs, Cost())
    first = steps[0]
    cycles = round(sum(c.cycles(rate) for c in costs))
    if not isinstance(first, Compute):
        b = first.buffer
        shape = (b.channels, b.height, b.width)
        return LayerRow(name=name, kind=type(first).__name__.lower(), source=shape, result=shape, split=1,
                        images=b.images, bands=len(steps), cycles=cycles, weight_bytes=0, act_bytes=total.act_bytes,
                        bound="memory", why=why)
    layer = first.layer
    height, width = network.out_side(layer)
    bound = max((total.compute, "array"), (total.weight_bytes / rate, "weights"), (STEP * len(steps), "start"))[1]
    return LayerRow(name=name, kind=_kind(network, layer), source=(layer.cin, layer.height, layer.width),
                    result=(layer.cout, height, width), split=1 << first.split, images=first.images, bands=len(steps),
                    cycles=cycles, weight_bytes=total.weight_bytes, act_bytes=total.act_bytes, bound=bound, why=why)


def explain(network: Network, subnet: SubNet, config: AcceleratorConfig, memory: MemorySetting | None = None,
            plan: Plan | None = None) -> Explanation:
    """The plan of a SubNet with predicted cycles; `memory`: instead of that of the configuration's board.

    plan: that of :func:`nigiri.compiler.chains.make_plan` where it is known already, or one for a batch.

    Raises
    ------
    DynamicBufferError, ActivationBufferError: the SubNet does not fit `config`.
    """
    check_rings(network, subnet, config)
    plan = plan or make_plan(network, subnet, config)
    steps, need = scheduled(network, config, plan)
    rate = memory_rate(config, memory)
    segment_of = {plan.subnet.layers[n].name: (segment, n) for segment in plan.segments
                  for n in range(segment.first, segment.end)}
    rows: dict[tuple[str, str, int], list[Step]] = {}
    for step in steps:
        name, images = ((step.layer.name, step.images) if isinstance(step, Compute)
                        else (step.buffer.tensor, step.buffer.images))
        rows.setdefault((type(step).__name__, name, images), []).append(step)
    out = []
    for (_, name, _), parts in rows.items():
        first = parts[0]
        if not isinstance(first, Compute):
            why = "whole" if first.rows is None else "in bands of rows"
            if name in plan.spilled:
                why += ": kept in memory, where it costs less than in the activation buffer"
            elif name in plan.parked:
                why += ": kept in memory, where it leaves room for the layers before"
        elif name in segment_of:
            why = _reason(network, plan, config, *segment_of[name], first)
        else:
            why = f"global pool of {first.layer.source}, which is computed in bands"
        out.append(_row(network, config, rate, name, parts, why))
    cycles, macs = sum(row.cycles for row in out), plan.batch * subnet.info.macs
    return Explanation(subnet=subnet.info.name, config=config.name, batch=plan.batch, macs=macs, cycles=cycles,
                       utilization=macs / (cycles * config.mac_units), ab_words=need, layers=tuple(out))
