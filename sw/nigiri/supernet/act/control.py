"""The control values of the SubNet that runs, one set per thread or task."""
from __future__ import annotations

from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from nigiri.supernet.act.errors import BadSubNet

__all__ = ["Control", "Values"]

Collected = list[list[tuple[torch.Tensor, torch.Tensor]]]


@dataclass(frozen=True, eq=False)
class Values:
    """What the operators of one SubNet do, by number of the operator.

    blocks: blocks that a LayerSelect runs.  channels: output channels (or heads) of a WeightSlice, 0 for all.
    collect: statistics that every SubnetNorm adds to, while the SubNet is calibrated.
    """

    name: Hashable
    blocks: tuple[tuple[int, ...], ...]
    channels: tuple[int, ...]
    collect: Collected | None = None


class Control:
    """Shared by the operators of one SuperNet: setting it actuates a SubNet and copies nothing."""

    def __init__(self) -> None:
        self._values: ContextVar[Values | None] = ContextVar("nigiri_subnet", default=None)
        self.set = self._values.set

    def get(self) -> Values:
        """Raises BadSubNet when no SubNet is actuated here."""
        values = self._values.get()
        if values is None:
            raise BadSubNet("no SubNet is actuated in this thread: call actuate() first")
        return values

    def __deepcopy__(self, memo: dict) -> Control:
        return self                      # a context variable belongs to the operators, and cannot be copied
