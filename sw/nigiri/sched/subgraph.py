"""SubGraphs: a prefix box of weight words per SuperNet layer, and the arithmetic on them.

A box is (out_blocks, in_blocks, taps) in words of 64 bytes, as in the residency table; a layer that is not in the
mapping is absent.  The order of the mapping is the order of importance: the first layers are packed first.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["WORD", "Box", "Candidate", "Layer", "SubGraph", "clip", "hit_words", "intersection", "key", "vector",
           "words"]

WORD = 64
"""Bytes of a weight word."""

Box = tuple[int, int, int]
SubGraph = Mapping[int, Box]


@dataclass(frozen=True)
class Layer:
    """A SuperNet layer as the scheduler sees it.

    Parameters
    ----------
    id: entry of the residency table.
    pixels: output pixels, height x width: how often each of its weight words is used per inference.
    depthwise: whether a weight word serves 8 channels of one kernel row instead of 8 x 8 channels of one tap.
    """

    id: int
    name: str
    pixels: int
    depthwise: bool = False


@dataclass(frozen=True)
class Candidate:
    """A SubGraph with a name for tables and plots."""

    name: str
    boxes: dict[int, Box]

    @property
    def bytes(self) -> int:
        return WORD * words(self.boxes)


def words(graph: SubGraph) -> int:
    """Weight words in all boxes together."""
    return sum(ob * ib * taps for ob, ib, taps in graph.values())


def intersection(a: SubGraph, b: SubGraph) -> dict[int, Box]:
    """The words that both contain, in the order of `a`."""
    both = {i: (min(x[0], b[i][0]), min(x[1], b[i][1]), min(x[2], b[i][2])) for i, x in a.items() if i in b}
    return {i: x for i, x in both.items() if min(x) > 0}


def hit_words(net: SubGraph, cached: SubGraph) -> int:
    """Words of `net` that are taken from the persistent buffer when it holds `cached`."""
    return words(intersection(net, cached))


def clip(graph: SubGraph, order: Iterable[int], capacity: int) -> dict[int, Box]:
    """The boxes of `graph` in `order` until `capacity` words are full; the last ones are cut to what still fits.

    A box that does not fit keeps as many whole output blocks, or input blocks, as the larger of the two cuts gives.
    """
    out: dict[int, Box] = {}
    left = capacity
    for i in order:
        if i not in graph:
            continue
        ob, ib, taps = graph[i]
        if min(ob, ib, taps) < 1:
            continue
        if ob * ib * taps > left:
            cuts = [(min(ob, left // (ib * taps)), ib, taps), (ob, min(ib, left // (ob * taps)), taps)]
            ob, ib, taps = max(cuts, key=lambda x: x[0] * x[1] * x[2])
        if ob * ib * taps:
            out[i] = (ob, ib, taps)
            left -= ob * ib * taps
    return out


def vector(graph: SubGraph, layers: Iterable[Layer]) -> np.ndarray:
    """[K, C, R] of every layer in turn: output blocks, input blocks, taps; zeros for an absent layer; float64."""
    return np.array([graph.get(layer.id, (0, 0, 0)) for layer in layers], dtype=np.float64).reshape(-1)


def key(graph: SubGraph) -> str:
    """A text that is equal for equal sets of boxes, whatever their order."""
    return json.dumps(sorted((i, *box) for i, box in graph.items()))
