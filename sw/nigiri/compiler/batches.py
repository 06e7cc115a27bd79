"""Chooses which layers of a SubNet are computed for a whole batch at once, and which image by image."""
from __future__ import annotations

from collections.abc import Iterator

from nigiri.compiler.allocate import place
from nigiri.compiler.chains import make_plan, peak
from nigiri.compiler.cost import memory_rate
from nigiri.compiler.errors import BatchError
from nigiri.compiler.graph import INPUT, Network, SubNet
from nigiri.compiler.plan import Plan, Stages, stages
from nigiri.compiler.predict import cycles_of
from nigiri.compiler.schedule import Schedule, Segment
from nigiri.runtime.errors import BadArgument
from nigiri.spec.config import AcceleratorConfig

__all__ = ["MOST", "batch_plan", "check_batch"]

MOST = 16
"""Images that a descriptor can compute."""


def check_batch(batch: int) -> None:
    """Raises BadArgument unless a launch can have so many images."""
    if not 1 <= batch <= MOST:
        raise BadArgument(f"a batch must have 1 to {MOST} images, not {batch}")


def _before(segments: tuple[Segment, ...], cut: int) -> tuple[Segment, ...] | None:
    """The segments of the layers before `cut`; None where it lies inside bands."""
    out = []
    for s in segments:
        if s.end <= cut:
            out.append(s)
        elif s.first < cut:
            if s.bands > 1:
                return None
            out.append(Segment(first=s.first, end=cut))
    return tuple(out)


def _trials(network: Network, config: AcceleratorConfig, single: Plan, batch: int) -> Iterator[Plan]:
    """Every cut of a plan for one image, with crossing tensors in the activation buffer and in memory.

    The layers from the cut on must be whole: tensors in bands exist for one image only.
    """
    count = len(single.subnet.layers)
    schedule = Schedule(network, single.subnet, config)
    for cut in range(count):
        early = _before(single.segments, cut)
        if early is None:
            continue
        crossing = frozenset(schedule.crossing(cut)) - {INPUT}
        for parked in (frozenset[str](), crossing) if crossing - single.spilled else (frozenset[str](),):
            yield Plan(subnet=single.subnet, segments=(*early, Segment(first=cut, end=count)), spilled=single.spilled,
                       batch=batch, cut=cut, parked=parked)


def batch_plan(network: Network, subnet: SubNet, config: AcceleratorConfig, batch: int) -> Plan:
    """The plan for `batch` images with the fewest predicted cycles of those that fit.

    Its early layers are those of the plan for one image.  Fewer of them cost less, so the earliest cut wins that fits,
    unless a later one has fewer bytes to move.

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
    rate = memory_rate(config)

    def cost(both: Stages) -> float:
        return batch * cycles_of(network, both.early, config, rate) + cycles_of(network, both.late, config, rate)

    trials = [(plan, stages(network, config, plan)) for plan in _trials(network, config, single, batch)]
    for plan, both in sorted(trials, key=lambda t: (cost(t[1]), t[0].cut, len(t[0].parked))):
        most = peak(both.buffers, len(both.early) + len(both.late))
        if most <= config.ab_words and place(both.buffers, config.ab_words) <= config.ab_words:
            return plan
    raise BatchError(f"SubNet {subnet.info.name}: the tensors of {batch} images do not fit the {config.ab_words} pixel "
                     f"words of activation buffer of configuration {config.name!r} even if only layer "
                     f"{single.subnet.layers[-1].name} is computed for all of them together: choose a smaller batch or "
                     f"a larger configuration")
