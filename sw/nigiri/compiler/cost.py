"""Predicted cycles: what the array needs for a layer, and what the memory needs for bytes."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.compiler.graph import Layer, SuperLayer, blocks
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting, default_memory

__all__ = ["Cost", "conv_cycles", "fetch_bytes", "memory_rate", "split_of"]

STEP = 40
"""Cycles that a step takes before its first tile and behind its last one."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cycles of the array, and bytes of weights, parameters and activations that pass the data ports."""

    compute: int = 0
    weight_bytes: int = 0
    act_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(compute=self.compute + other.compute, weight_bytes=self.weight_bytes + other.weight_bytes,
                    act_bytes=self.act_bytes + other.act_bytes)

    def cycles(self, rate: float) -> float:
        """Weights are fetched while the array computes, activations while it waits; `rate` is bytes a cycle."""
        return STEP + max(self.compute, self.weight_bytes / rate) + self.act_bytes / rate


def memory_rate(config: AcceleratorConfig, memory: MemorySetting | None = None) -> float:
    """Bytes a cycle from the memory of the configuration's board, or from `memory`."""
    return (memory or default_memory(config)).bytes_per_cycle(config)


def _steps(s: SuperLayer, layer: Layer) -> int:
    """Array steps of a tile."""
    if s.depthwise:
        return layer.kernel * s.step              # stride 2 reads even and odd columns one after the other
    return layer.kernel ** 2 * (1 if s.maximum else blocks(layer.cin))


def conv_cycles(s: SuperLayer, layer: Layer, pixels: int, config: AcceleratorConfig, split: int,
                images: int = 1) -> int:
    """Cycles of the array for `pixels` output pixels (of the map that the machine computes) of each image."""
    groups = 1 << split
    drain = config.lanes // config.requant_pixels * (2 if groups == 4 else 1)
    tiles = images * -(-pixels * groups // config.lanes)
    return -(-blocks(layer.cout) // groups) * tiles * max(_steps(s, layer), drain)


def _fetched(s: SuperLayer, layer: Layer, pixels: int, config: AcceleratorConfig, split: int, images: int) -> float:
    """Cycles of a layer whose weights come from memory while the array computes.

    Where a set of output blocks takes all rings, the next set can be fetched only into what its first block leaves
    free of the first ring, until the last tile gives words back: the fetch unit goes block by block.
    """
    compute, words = conv_cycles(s, layer, pixels, config, split, images), 1 + _steps(s, layer)
    word = max(1.0, 64 / memory_rate(config))
    groups, count = 1 << split, blocks(layer.cout)
    fetch = count * words * word
    if groups < config.groups or 2 * words <= config.ring_words or count <= groups:
        return max(compute, fetch)
    sets = -(-count // groups)
    tiles = images * -(-pixels * groups // config.lanes)
    tile = compute / sets / tiles
    ahead = min(config.ring_words - words, (tiles - 1) * tile / word)
    return max(fetch, sets * ((tiles - 1) * tile + max(tile, (groups * words - ahead) * word)))


def split_of(s: SuperLayer, layer: Layer, pixels: int, config: AcceleratorConfig, images: int = 1) -> int:
    """The split with the fewest cycles for `pixels` output pixels of each image; the smallest of equal ones."""
    if s.own_block or layer.pool or layer.scale:
        return 0

    def cost(split: int) -> tuple[float, int, int]:
        return (_fetched(s, layer, pixels, config, split, images),
                conv_cycles(s, layer, pixels, config, split, images), split)

    return min(range(config.groups.bit_length()), key=cost)


def fetch_bytes(s: SuperLayer, layer: Layer) -> int:
    """Bytes of weights and parameters that a pass over a layer reads when nothing is cached."""
    words = layer.kernel if s.depthwise else layer.kernel ** 2 * (1 if s.maximum else blocks(layer.cin))
    return 64 * blocks(layer.cout) * (1 + words) + (256 if layer.table is not None else 0)
