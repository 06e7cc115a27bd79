"""What the host computes between two programs, and how a SubNet falls into programs around it.  No torch."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nigiri.compiler.graph import INPUT, Entry, Layer, SubNet, SuperLayer

__all__ = ["Softmax", "Step", "parts_of"]

ONE = 127
"""Code of a weight of 1."""


@dataclass(frozen=True, kw_only=True)
class Softmax:
    """Attention weights of several heads: codes 0..127 of the softmax over channels of int8 scores.

    sources, results: tensors, tokens x tokens.  scales: real value of a code of each source.

    The exponential is a table of 256 16-bit integers and the rest is integer arithmetic, so that every machine gives
    the same codes.
    """

    name: str
    sources: tuple[str, ...]
    results: tuple[str, ...]
    scales: tuple[float, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.sources

    def run(self, tensors: Mapping[str, np.ndarray], axis: int) -> dict[str, np.ndarray]:
        """The results, of int8 tensors whose channels are `axis`."""
        return {r: self._one(tensors[s], step, axis)
                for s, r, step in zip(self.sources, self.results, self.scales, strict=True)}

    @staticmethod
    def _one(scores: np.ndarray, step: float, axis: int) -> np.ndarray:
        table = np.rint(65535 * np.exp(-step * np.arange(256))).astype(np.int64)
        wide = scores.astype(np.int16)
        e = table[wide.max(axis, keepdims=True) - wide]
        total = e.sum(axis, keepdims=True)
        codes: np.ndarray = (2 * ONE * e + total) // (2 * total)
        return codes.astype(np.int8)


Step = Layer | Softmax


def parts_of(whole: SubNet, steps: Sequence[Step], shapes: Mapping[str, tuple[int, int, int]],
             layers: Sequence[SuperLayer]) -> tuple[SubNet | Softmax, ...]:
    """Runs of layers as SubNets with entries and exits, and the steps of the host between them.

    One run alone is the whole SubNet; several are called "<SubNet>/0", "<SubNet>/1" and so on.
    """
    shapes = dict(shapes)
    writer: dict[str, int] = dict.fromkeys(shapes, -1)
    run = 0
    runs: list[list[Layer]] = [[]]
    out: list[int | Softmax] = [0]
    number: list[int] = []
    for s in steps:
        if isinstance(s, Softmax):
            shapes |= {r: shapes[x] for x, r in zip(s.sources, s.results, strict=True)}
            writer |= dict.fromkeys(s.results, -2)
            out += [s, run + 1]
            runs.append([])
            run += 1
        else:
            stride = layers[s.weights].stride
            shapes[s.name] = (s.cout, -(-s.height // stride), -(-s.width // stride))
            shapes[f"{s.name}.pool"] = (s.cout, 1, 1)
            writer |= {s.name: run, f"{s.name}.pool": run}
            runs[-1].append(s)
        number.append(run)
    if len(runs) == 1:
        return (replace(whole, layers=tuple(runs[0])),)
    used: dict[str, set[int]] = {}
    for s, n in zip(steps, number, strict=True):
        for t in s.reads:
            used.setdefault(t, set()).add(-2 if isinstance(s, Softmax) else n)
    parts = []
    for n, part in enumerate(runs):
        entries = [t for t, users in used.items() if n in users and writer[t] != n]
        exits = [t for t, users in used.items() if writer[t] == n and users - {n}]
        whole_input = entries == [INPUT]
        last = n == len(runs) - 1
        parts.append(replace(
            whole, info=replace(whole.info, name=f"{whole.info.name}/{n}"), layers=tuple(part),
            entries=() if whole_input else tuple(Entry(name=t, channels=shapes[t][0], height=shapes[t][1],
                                                       width=shapes[t][2]) for t in entries),
            exits=tuple(exits) if not last else (*exits, part[-1].name)))
    return tuple(parts[x] if isinstance(x, int) else x for x in out)
