"""A quantised network between the file formats and the compiler: tensors with scales, and a dozen kinds of nodes.

Shapes are [height, width, channels] of one image.  real = scale * (code - zp), codes are int8.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Add", "Conv", "Gate", "Graph", "MaxPool", "Node", "Pool", "Same", "Tensor", "Unary"]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An activation."""

    name: str
    shape: tuple[int, int, int]
    scale: float
    zp: int

    @property
    def pixels(self) -> int:
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True, kw_only=True)
class Node:
    """inputs, output: tensor names.  place: where it is in the file, for people.  low, high: codes that the result is
    clamped to (a fused activation)."""

    inputs: tuple[str, ...]
    output: str
    place: str
    low: int = -128
    high: int = 127


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Node):
    """Convolution or fully connected layer.

    weights: int8 [cout, cin or 1, kernel height, kernel width].  w_scale: float64 [cout].  bias: int64 [cout], in
    units of input scale times weight scale.  pads: rows above, columns left of the image; what lies below and right
    follows from the shapes.
    """

    weights: np.ndarray
    w_scale: np.ndarray
    bias: np.ndarray
    stride: int
    pads: tuple[int, int]
    depthwise: bool = False


@dataclass(frozen=True, kw_only=True)
class MaxPool(Node):
    kernel: int
    stride: int
    pads: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Add(Node):
    """Sum of two tensors of one shape."""


@dataclass(frozen=True, kw_only=True)
class Gate(Node):
    """inputs[0] times inputs[1], which has one value per channel."""


@dataclass(frozen=True, kw_only=True)
class Pool(Node):
    """Mean over all pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Unary(Node):
    """A function of single values.  table: int8 [256], the result for every code as a byte."""

    table: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Same(Node):
    """Another name for the same codes (reshapes of one pixel, dropped soft-maximum)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """nodes: in an order in which they can be computed.  notes: what was left out or assumed, for people."""

    name: str
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]
    input: str
    output: str
    notes: list[str] = field(default_factory=list)
