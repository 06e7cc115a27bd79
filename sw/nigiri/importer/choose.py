"""The fastest of the ways in which a graph can be lowered, by the cycle model; and what a pixel's value means."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from nigiri.compiler import Network, compile_network
from nigiri.cycles import predict
from nigiri.importer.errors import UnsupportedModel
from nigiri.importer.ir import Graph
from nigiri.importer.lower import SUBNET, lower
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["Lowered", "fastest", "pixel_table"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowered:
    """A network and the cycles of one image; tried: cycles by ("turned", "folded") as it was, for people."""

    network: Network
    cycles: int
    tried: dict[str, int]


def fastest(graph: Graph, input_table: np.ndarray, config: AcceleratorConfig, memory: MemorySetting) -> Lowered:
    """Lowers a graph upright and turned, with and without folding the first layer, and keeps the fastest network.

    Raises
    ------
    UnsupportedOperator, UnsupportedModel: no way works; the error is that of the first.  CompileError: it does not
    fit the configuration.
    """
    found: list[tuple[int, str, Network]] = []
    first: UnsupportedModel | None = None
    for turned, fold in product((False, True), repeat=2):
        try:
            network = lower(graph, input_table, turned=turned, fold=fold)
        except UnsupportedModel as e:
            first = first or e
            continue
        if bool(network.fold) is not fold:
            continue
        compiled = compile_network(network, config)
        got = predict(compiled.descriptors(SUBNET), config, memory, {}, offset=compiled.program(SUBNET)[0])
        found.append((got.cycles, f"{'turned' if turned else 'upright'}, {'folded' if fold else 'plain'}", network))
    if not found:
        raise first or UnsupportedModel(f"{graph.name} has no layers")
    cycles, _, network = min(found, key=lambda x: x[0])
    return Lowered(network=network, cycles=cycles, tried={name: n for n, name, _ in found})


def pixel_table(graph: Graph, mean: float | None = None, std: float | None = None) -> tuple[np.ndarray, float, float]:
    """(int8 [channels, 256]: code of every pixel value, mean, std): the model sees (value - mean) / std.

    Without a mean or std, they follow from the range of the input: 0..255, 0..1 or -1..1.

    Raises
    ------
    UnsupportedModel: the range is none of these, or std is not positive.
    """
    t = graph.tensors[graph.input]
    low, high = (-128 - t.zp) * t.scale, (127 - t.zp) * t.scale
    if mean is None or std is None:
        guess = next(((m, s) for (a, b), (m, s) in (((0, 255), (0.0, 1.0)), ((0, 1), (0.0, 255.0)),
                                                    ((-1, 1), (127.5, 127.5)))
                      if abs(low - a) + abs(high - b) < 0.05 * (b - a)), None)
        if guess is None:
            raise UnsupportedModel(f"the input covers {low:.3g}..{high:.3g}: say with --mean and --std how a pixel "
                                   f"value 0..255 becomes one of these")
        mean, std = guess
    if not std > 0:
        raise UnsupportedModel(f"--std must be positive, not {std}")
    codes = np.rint((np.arange(256) - mean) / std / t.scale) + t.zp
    return np.tile(np.clip(codes, -128, 127).astype(np.int8), (t.shape[2], 1)), mean, std
