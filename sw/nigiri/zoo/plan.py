"""What a zoo network looks like before it has numbers: SuperNet layers, and SubNets as lists of steps over them."""
from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nigiri.compiler.graph import INPUT, SuperLayer
from nigiri.zoo.errors import BadImageSide

__all__ = ["Act", "Builder", "Choice", "Family", "Step", "divisible", "renumber"]

class Act(enum.Enum):
    """What follows a layer's batch norm."""

    LINEAR = "linear"
    RELU = "relu"
    HSWISH = "h-swish"
    HSIGMOID = "h-sigmoid"
    NONE = "none"
    """no batch norm either: the codes pass through (pools and the identity under a channel scale)"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A layer of a SubNet without its constants; names, shapes and sources as in :class:`nigiri.compiler.Layer`.

    residual, scale: names of tensors, or "".  relu_sum: the sum with the residual is clamped at zero.
    """

    name: str
    weights: str
    cin: int
    cout: int
    kernel: int
    side: int
    source: str
    act: Act
    residual: str = ""
    relu_sum: bool = False
    scale: str = ""
    pool: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A SubNet's configuration: image side, depths and whatever else its family varies (see there)."""

    side: int
    depth: tuple[int, ...]
    expand: tuple[float, ...]
    width: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()

    def facts(self) -> dict:
        """As plain lists and numbers, for :attr:`SubNetInfo.config`."""
        lists = {"depth": self.depth, "expand": self.expand, "width": self.width, "kernel": self.kernel}
        return {"side": self.side} | {key: list(value) for key, value in lists.items() if value}


class Family:
    """A SuperNet: its layers, its named SubNets, and how a choice becomes steps."""

    name: str
    choices: dict[str, Choice]

    def layers(self) -> tuple[SuperLayer, ...]:
        raise NotImplementedError

    def steps(self, choice: Choice) -> list[Step]:
        raise NotImplementedError


def divisible(value: float) -> int:
    """The multiple of 8 nearest to `value`, but not less than nine tenths of it."""
    n = max(8, int(value + 4) // 8 * 8)
    return n + 8 if n < 0.9 * value else n


def renumber(layers: Sequence[SuperLayer]) -> tuple[SuperLayer, ...]:
    """The layers with consecutive ids and offsets."""
    out: list[SuperLayer] = []
    offset = 0
    for n, layer in enumerate(layers):
        out.append(replace(layer, id=n, offset=offset))
        offset += out[-1].words
    return tuple(out)


class Builder:
    """Collects the steps of one SubNet and keeps track of the tensor that the next one reads."""

    def __init__(self, side: int, strides: dict[str, int], multiple: int):
        """multiple: what the image side must be a multiple of."""
        if side < multiple or side % multiple:
            raise BadImageSide(f"the image side must be a multiple of {multiple}, not {side}: choose one from "
                               f"{multiple} to 224")
        self.strides = strides
        self.steps: list[Step] = []
        self.source, self.channels, self.side = INPUT, 27, side // 2

    def add(self, name: str, cout: int, act: Act, *, weights: str = "", kernel: int = 1, residual: str = "",
            relu_sum: bool = False, scale: str = "", pool: bool = False) -> str:
        """Appends a step that reads the current tensor, and makes its result the current one; returns its name."""
        weights = weights or name
        self.steps.append(Step(name=name, weights=weights, cin=self.channels, cout=cout, kernel=kernel, side=self.side,
                               source=self.source, act=act, residual=residual, relu_sum=relu_sum, scale=scale,
                               pool=pool))
        self.source, self.channels, self.side = name, cout, -(-self.side // self.strides[weights])
        return name

    def state(self) -> tuple[str, int, int]:
        """(tensor, channels, side) of the current tensor, for :meth:`back`."""
        return self.source, self.channels, self.side

    def back(self, state: tuple[str, int, int]) -> None:
        """Makes an earlier tensor the current one."""
        self.source, self.channels, self.side = state

    def pooled(self) -> None:
        """Goes on from the global average of the current tensor, which its step must ask for."""
        self.source, self.side = f"{self.source}.pool", 1
