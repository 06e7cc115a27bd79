"""What caching a layer saves: cycles where weights arrive more slowly than they are used, bytes everywhere else.

A weight word is used `pixels` / lanes cycles.  While an output block computes, the next one is fetched, so a block is
bound by the slower of the two; only blocks that are bound by the fetch lose cycles that a cache can give back.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from nigiri.sched.subgraph import WORD, Box, Layer, SubGraph
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["Roofline", "lean", "order"]


@dataclass(frozen=True)
class Roofline:
    """The rates that decide: pixels a cycle of the array, DRAM bytes a cycle, output blocks worked on at a time."""

    lanes: int
    bytes_per_cycle: float
    groups: int = 1

    @classmethod
    def of(cls, config: AcceleratorConfig, memory: MemorySetting) -> Roofline:
        # The DMA hands over one word a cycle, however fast the memory is.
        rate = min(WORD, memory.bytes_per_cycle(config))
        return cls(lanes=config.lanes, bytes_per_cycle=rate, groups=config.groups)

    @property
    def intensity(self) -> float:
        """MAC/s divided by DRAM byte/s: above the uses of a weight, the layer is bound by the memory."""
        return 64 * self.lanes / self.bytes_per_cycle

    def block_cycles(self, layer: Layer, box: Box) -> tuple[float, float]:
        """(compute, fetch) cycles of one output block of a layer of this shape; its parameter word is fetched too."""
        _, ib, taps = box
        steps = taps if layer.depthwise else ib * taps
        splits = (1,) if layer.depthwise else tuple(g for g in (1, 2, 4) if g <= self.groups)
        tiles = min(ceil(layer.pixels * g / self.lanes) / g for g in splits)
        return tiles * steps, WORD * (1 + steps) / self.bytes_per_cycle

    def saved(self, layer: Layer, net: Box, cached: Box) -> float:
        """Cycles saved in one inference when `cached` of a layer with the box `net` is resident."""
        ob, ib, taps = (min(a, b) for a, b in zip(net, cached, strict=True))
        compute, fetch = self.block_cycles(layer, net)
        less = WORD * ib * taps / self.bytes_per_cycle
        return ob * (max(compute, fetch) - max(compute, fetch - less))


def lean(graph: SubGraph, layers: dict[int, Layer], roof: Roofline) -> dict[int, Box]:
    """The smallest boxes that remove every stall the roofline sees: enough input blocks that the rest arrives in time.

    Layers that compute longer than they fetch are left out.
    """
    out: dict[int, Box] = {}
    for i, (ob, ib, taps) in graph.items():
        compute, fetch = roof.block_cycles(layers[i], (ob, ib, taps))
        if fetch > compute:
            need = ceil((fetch - compute) * roof.bytes_per_cycle / (WORD * taps))
            out[i] = (ob, min(ib, need), taps)
    return out


def order(graph: SubGraph, layers: dict[int, Layer], roof: Roofline) -> list[int]:
    """Layer ids by cycles saved per cached byte, best first; layers without a stall by fewest uses per weight."""

    def rank(i: int) -> tuple[float, float, int]:
        ob, ib, taps = graph[i]
        return (-roof.saved(layers[i], graph[i], graph[i]) / (ob * ib * taps), layers[i].pixels, -i)

    return sorted((i for i, box in graph.items() if min(box) > 0), key=rank)
