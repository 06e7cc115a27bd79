"""Runs SubNets whose steps alternate between programs and the host: on the golden arithmetic, or on a device."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.compiler.graph import INPUT, Network, SubNet
from nigiri.compiler.interpret import Interpreter
from nigiri.hybrid.host import Softmax
from nigiri.split.engine import PartEngine

__all__ = ["Golden", "HybridRun", "on_device"]

Sequence = tuple[SubNet | Softmax, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class HybridRun:
    """tensors: everything that crossed between programs, int8 [channels, height, width], and the logits by name.

    cycles: of the device, all launches together.  launches: how many.  moved: bytes that crossed.
    """

    tensors: dict[str, np.ndarray]
    logits: np.ndarray
    cycles: int
    launches: int
    moved: int


class Golden:
    """A SubNet in exact integer arithmetic, many images at once.

    Parameters
    ----------
    network, parts: as :func:`nigiri.hybrid.integer.hybrid_network` makes them.  batch: images computed together.
    """

    def __init__(self, network: Network, parts: Sequence, batch: int = 50):
        self.parts, self.batch = parts, batch
        self._programs = {p.info.name: Interpreter(network, p.info.name) for p in parts if isinstance(p, SubNet)}

    def tensors(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Every tensor, int8 [N, height, width, channels], of images uint8 [N, height, width, channels]."""
        first = next(iter(self._programs.values()))
        out = {INPUT: first.encode(images)}
        for p in self.parts:
            if isinstance(p, Softmax):
                flat = {s: out[s] for s in p.sources}
                out |= p.run(flat, -1)
            else:
                out = self._programs[p.info.name].part(out, 0, len(p.layers))
        return out

    def logits(self, images: np.ndarray) -> np.ndarray:
        """int8 [N, classes]."""
        last = self.parts[-1]
        assert isinstance(last, SubNet)
        name = last.layers[-1].name
        return np.concatenate([self.tensors(images[n:n + self.batch])[name].reshape(-1, last.layers[-1].cout)
                               for n in range(0, len(images), self.batch)])

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Top-1 accuracy in percent; of equal logits the first wins."""
        return 100.0 * float((self.logits(images).argmax(1) == labels).mean())


def on_device(engine: PartEngine, parts: Sequence, image: np.ndarray) -> HybridRun:
    """One image, uint8 [height, width, channels], through an engine whose parts are compiled from `parts`.

    Raises what :meth:`nigiri.split.engine.PartEngine.run` raises.
    """
    tensors: dict[str, np.ndarray] = {INPUT: image}
    cycles = launches = moved = 0
    for p in parts:
        if isinstance(p, Softmax):
            tensors |= p.run(tensors, 0)
            continue
        if launches:
            moved += sum(tensors[e.name].nbytes for e in p.entries)
        result = engine.run(p.info.name, tensors)
        cycles, launches = cycles + result.counters.cycles, launches + 1
        moved += sum(v.nbytes for v in result.tensors[0].values()) if p is not parts[-1] else 0
        tensors |= result.tensors[0]
    last = parts[-1]
    assert isinstance(last, SubNet)
    return HybridRun(tensors=tensors, logits=tensors[last.layers[-1].name].reshape(-1).astype(np.int64), cycles=cycles,
                     launches=launches, moved=moved)
