"""A model with SubNetAct's operators in it, and the SubNets that it can be."""
from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from nigiri.supernet.act.control import Control, Values
from nigiri.supernet.act.errors import BadSubNet
from nigiri.supernet.act.operators import AttentionSlice, ConvSlice, LayerSelect, LinearSlice, SubnetNorm

__all__ = ["ActuatedSuperNet", "SubNet", "Tags"]


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What is elastic in a model.

    stages: by the name of an nn.Sequential of blocks, the names of modules inside each block whose width is elastic;
    what reads them follows.  every_other: blocks are left out evenly (transformers) instead of from the end.
    """

    stages: Mapping[str, tuple[str, ...]]
    every_other: bool = False


@dataclass(frozen=True, kw_only=True)
class SubNet:
    """depths: blocks by stage.  widths: share of the channels or heads by stage, 0 to 1, rounded up.  Stages that are
    left out are whole."""

    depths: Mapping[str, int] = field(default_factory=dict)
    widths: Mapping[str, float] = field(default_factory=dict)


def chosen(blocks: int, depth: int, every_other: bool) -> tuple[int, ...]:
    """Blocks that run: the first `depth`, or as evenly spread as possible with the first one among them.

    The paper prints a rule for transformers that can be read in two ways; for half of the blocks this is every other.
    """
    return tuple(range(depth)) if not every_other else tuple(n * blocks // depth for n in range(depth))


class ActuatedSuperNet(nn.Module):
    """`net.actuate(name)`, then `net(x)`; threads and tasks actuate independently.

    Made by :func:`nigiri.supernet.act.insert`.
    """

    def __init__(self, model: nn.Module, tags: Tags, control: Control, selects: dict[str, LayerSelect],
                 slices: list[tuple[str, nn.Module, bool]], norms: list[SubnetNorm], example: Tensor):
        """slices: (stage or "", operator, whether its width is elastic)."""
        super().__init__()
        self.model, self.tags, self.control, self.example = model, tags, control, example
        self.selects, self.slices, self.norms = selects, slices, norms
        self.subnets: dict[Hashable, Values] = {}

    def add(self, name: Hashable, subnet: SubNet) -> None:
        """Makes a SubNet known under `name`; its control values are worked out here, once.

        Raises
        ------
        BadSubNet: an unknown stage, or a depth or width out of range.
        """
        for stage in [*subnet.depths, *subnet.widths]:
            if stage not in self.selects:
                raise BadSubNet(f"SubNet {name!r}: there is no stage {stage!r}; choose from {', '.join(self.selects)}")
        blocks = []
        for stage, select in self.selects.items():
            most, depth = len(select.blocks), subnet.depths.get(stage, len(select.blocks))
            if not 1 <= depth <= most:
                raise BadSubNet(f"SubNet {name!r}: stage {stage} has 1 to {most} blocks, not {depth}")
            if not 0 < subnet.widths.get(stage, 1.0) <= 1:
                raise BadSubNet(f"SubNet {name!r}: the width of stage {stage} is a share above 0 up to 1, not "
                                f"{subnet.widths[stage]}")
            blocks.append(chosen(most, depth, self.tags.every_other))
        channels = tuple(math.ceil(subnet.widths[stage] * _most(op)) if elastic and stage in subnet.widths else 0
                         for stage, op, elastic in self.slices)
        self.subnets[name] = Values(name=name, blocks=tuple(blocks), channels=channels)

    def actuate(self, name: Hashable) -> None:
        """From now on, in this thread or task, the SuperNet is SubNet `name`.

        Raises
        ------
        BadSubNet: no such SubNet.
        """
        values = self.subnets.get(name)
        if values is None:
            raise BadSubNet(f"there is no SubNet {name!r}: add() it first")
        self.control.set(values)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out

    @torch.no_grad()
    def calibrate(self, name: Hashable, batches: Iterable[Tensor], dtype: torch.dtype = torch.float32) -> None:
        """Batch-norm statistics of SubNet `name`, kept as `dtype`: the mean over batches; actuates it."""
        self.actuate(name)
        values = self.subnets[name]
        collect: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.norms]
        self.control.set(replace(values, collect=collect))
        try:
            for x in batches:
                self.model(x)
        finally:
            self.control.set(values)
        for norm, seen in zip(self.norms, collect, strict=True):
            if seen:                      # blocks that are left out have none
                norm.keep(name, seen, dtype)

    def memory(self) -> dict[str, int]:
        """Bytes of the shared parameters, and of the statistics of all SubNets."""
        stats = sum(t.numel() * t.element_size() for n in self.norms for pair in n.stats.values() for t in pair)
        return {"shared": sum(p.numel() * p.element_size() for p in self.parameters()), "statistics": stats}


def _most(op: nn.Module) -> int:
    if isinstance(op, ConvSlice):
        return op.inner.out_channels
    if isinstance(op, LinearSlice):
        return op.inner.out_features
    assert isinstance(op, AttentionSlice)
    return int(op.inner.num_heads)
