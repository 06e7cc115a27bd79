"""SushiAbs: the latency table [SubNet x SubGraph], all the scheduler knows about the accelerator."""
from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from nigiri.sched.errors import TableError
from nigiri.sched.lookup import Lookup
from nigiri.sched.subgraph import Box, Candidate, Layer, hit_words, vector, words

__all__ = ["FORMAT", "LatencyTable", "SubNet", "build_table"]

FORMAT = "nigiri-latency-table-2"

Measure = Callable[["SubNet", Candidate], int]


@dataclass(frozen=True)
class SubNet:
    """A servable SubNet: accuracy in per cent, multiply-accumulates of one inference, and its weight boxes.

    other_bytes: off-chip bytes of one inference that are no cacheable weights.
    """

    name: str
    accuracy: float
    boxes: dict[int, Box]
    macs: int = 0
    other_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """Cycles of every SubNet (row) while every SubGraph (column) is cached; column 0 is the empty cache.

    Parameters
    ----------
    cycles: int64 [SubNets, SubGraphs].
    clock_mhz: turns cycles into milliseconds.
    capacity: words of the persistent buffer; no SubGraph is larger.
    origin: where each number came from ("rtl", "model", ...), same shape as `cycles`.
    source: what was measured: configuration and digest, memory setting, and whatever else identifies it.
    fill_word_cycles, fill_entry_cycles: what a change of the cache takes for each weight word, and for each layer's
        box, that it reads.
    memory_word_cycles: what 64 bytes of a query take of the memory's time; a fill beside a query has the rest.
    batches: images of a launch that were measured, ascending, the first 1.
    batch_cycles: int64 [SubNets, batches], of a launch with the empty cache; None when only single images were.

    Raises
    ------
    TableError: shapes that do not agree, a SubGraph beyond the capacity, a first column that is not empty,
        cycles that are not positive, or a negative cost of a change.
    """

    layers: tuple[Layer, ...]
    subnets: tuple[SubNet, ...]
    subgraphs: tuple[Candidate, ...]
    cycles: np.ndarray
    clock_mhz: float
    capacity: int
    origin: tuple[tuple[str, ...], ...]
    source: dict[str, Any] = field(default_factory=dict)
    fill_word_cycles: float = 0.0
    fill_entry_cycles: float = 0.0
    memory_word_cycles: float = 0.0
    batches: tuple[int, ...] = (1,)
    batch_cycles: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.subnets), len(self.subgraphs))
        if self.cycles.shape != shape or 0 in shape:
            raise TableError(f"a latency table of {shape[0]} SubNets and {shape[1]} SubGraphs must have as many rows "
                             f"and columns of cycles, not {self.cycles.shape}")
        if len(self.origin) != shape[0] or any(len(row) != shape[1] for row in self.origin):
            raise TableError(f"every one of the {shape[0]} x {shape[1]} numbers must name its origin")
        if self.subgraphs[0].boxes:
            raise TableError(f"the first SubGraph of a latency table must be empty, not {self.subgraphs[0].name!r}")
        for c in self.subgraphs:
            if words(c.boxes) > self.capacity:
                raise TableError(f"SubGraph {c.name!r} has {words(c.boxes)} words, but the persistent buffer holds "
                                 f"{self.capacity}")
        if (self.cycles < 1).any():
            raise TableError(f"cycles must be positive, not {int(self.cycles.min())}")
        if min(self.fill_word_cycles, self.fill_entry_cycles, self.memory_word_cycles) < 0:
            raise TableError(f"a change of the cache must not take negative cycles, not {self.fill_word_cycles} a "
                             f"word, {self.fill_entry_cycles} a layer and {self.memory_word_cycles} of the memory")
        if self.batches[0] != 1 or list(self.batches) != sorted(set(self.batches)):
            raise TableError(f"batches must ascend from 1, not {self.batches}")
        if (1,) != self.batches and (self.batch_cycles is None
                                     or self.batch_cycles.shape != (shape[0], len(self.batches))
                                     or (self.batch_cycles < 1).any()):
            raise TableError(f"a latency table of {shape[0]} SubNets and batches of {self.batches} needs positive "
                             f"cycles of each")

    def latency_ms(self, subnet: int, subgraph: int) -> float:
        return float(self.cycles[subnet, subgraph]) / (self.clock_mhz * 1e3)

    @cached_property
    def lookup(self) -> Lookup:
        """Every choice, worked out once."""
        return Lookup(self)

    @cached_property
    def batch_ms(self) -> np.ndarray:
        """Latency of a launch with the empty cache, float64 [SubNets, batches], milliseconds."""
        cycles = self.cycles[:, :1] if self.batch_cycles is None else self.batch_cycles
        return cycles / (self.clock_mhz * 1e3)

    def first(self, count: int) -> LatencyTable:
        """The table with its first `count` SubGraphs, or all if it has fewer."""
        return replace(self, subgraphs=self.subgraphs[:count], cycles=self.cycles[:, :count],
                       origin=tuple(row[:count] for row in self.origin))

    def launch_cycles(self, subnet: int, count: int, subgraph: int = 0) -> int:
        """Cycles of a launch of `count` images: of the next larger batch that was measured, several launches of the
        largest when there is none.  Only single images gain from the cache here."""
        if count == 1:
            return int(self.cycles[subnet, subgraph])
        if self.batch_cycles is None:
            return count * int(self.cycles[subnet, subgraph])
        whole, rest = divmod(count, self.batches[-1])
        row = self.batch_cycles[subnet]
        return whole * int(row[-1]) + (int(row[bisect_left(self.batches, rest)]) if rest else 0)

    @cached_property
    def latencies_ms(self) -> np.ndarray:
        """float64 [SubNets, SubGraphs]."""
        return self.cycles / (self.clock_mhz * 1e3)

    @cached_property
    def accuracies(self) -> np.ndarray:
        """float64 [SubNets], per cent."""
        return np.array([s.accuracy for s in self.subnets])

    @cached_property
    def hits(self) -> np.ndarray:
        """Words taken from the persistent buffer, int64 [SubNets, SubGraphs]."""
        return np.array([[hit_words(s.boxes, c.boxes) for c in self.subgraphs] for s in self.subnets], dtype=np.int64)

    @cached_property
    def norm_hits(self) -> np.ndarray:
        """The published hit ratio, float64 [SubNets, SubGraphs]: |SubNet and SubGraph|^2 / |SubNet|^2 over [K, C] of
        every layer, the smaller of the two numbers in the numerator (SUSHI, MLSys 2023, appendix)."""
        keep = np.arange(self.subnet_vectors.shape[1]) % 3 < 2
        nets, graphs = self.subnet_vectors[:, keep], self.subgraph_vectors[:, keep]
        common = np.minimum(nets[:, None], graphs[None])
        return (common ** 2).sum(axis=2) / np.maximum(1, (nets ** 2).sum(axis=1))[:, None]

    def hit_ratio(self, subnet: int, subgraph: int) -> float:
        """Share of the SubNet's weight bytes that come from the persistent buffer."""
        net = self.subnets[subnet].boxes
        return hit_words(net, self.subgraphs[subgraph].boxes) / max(1, words(net))

    @cached_property
    def subnet_vectors(self) -> np.ndarray:
        """[K, C, R] of every layer, float64 [SubNets, 3 x layers]."""
        return np.stack([vector(s.boxes, self.layers) for s in self.subnets])

    @cached_property
    def subgraph_vectors(self) -> np.ndarray:
        """[K, C, R] of every layer, float64 [SubGraphs, 3 x layers]."""
        return np.stack([vector(c.boxes, self.layers) for c in self.subgraphs])

    def to_json(self) -> str:
        """The table as text; `from_json` gives an equal one."""

        def boxes(graph: Mapping[int, Box]) -> list[list[int]]:
            return [[i, *box] for i, box in graph.items()]

        return json.dumps({
            "format": FORMAT, "source": self.source, "clock_mhz": self.clock_mhz, "capacity_words": self.capacity,
            "layers": [[x.id, x.name, x.pixels, x.depthwise] for x in self.layers],
            "subnets": [{"name": s.name, "accuracy": s.accuracy, "macs": s.macs, "other_bytes": s.other_bytes,
                         "boxes": boxes(s.boxes)}
                        for s in self.subnets],
            "fill": [self.fill_word_cycles, self.fill_entry_cycles, self.memory_word_cycles],
            "batches": list(self.batches),
            "batch_cycles": None if self.batch_cycles is None else self.batch_cycles.tolist(),
            "subgraphs": [{"name": c.name, "boxes": boxes(c.boxes)} for c in self.subgraphs],
            "cycles": self.cycles.tolist(), "origin": [list(row) for row in self.origin]})

    @classmethod
    def from_json(cls, text: str) -> LatencyTable:
        """Raises TableError for text that is not a latency table of this format."""
        try:
            d = json.loads(text)
            if d["format"] != FORMAT:
                raise TableError(f"latency table has format {d['format']!r}, this version reads {FORMAT!r}: measure "
                                 "it again")

            def boxes(rows: list[list[int]]) -> dict[int, Box]:
                return {int(i): (int(ob), int(ib), int(taps)) for i, ob, ib, taps in rows}

            return cls(layers=tuple(Layer(*x) for x in d["layers"]),
                       subnets=tuple(SubNet(s["name"], s["accuracy"], boxes(s["boxes"]), s["macs"],
                                            s["other_bytes"])
                                     for s in d["subnets"]),
                       subgraphs=tuple(Candidate(c["name"], boxes(c["boxes"])) for c in d["subgraphs"]),
                       cycles=np.array(d["cycles"], dtype=np.int64), clock_mhz=float(d["clock_mhz"]),
                       capacity=int(d["capacity_words"]), origin=tuple(tuple(r) for r in d["origin"]),
                       source=d["source"], fill_word_cycles=float(d["fill"][0]),
                       fill_entry_cycles=float(d["fill"][1]), memory_word_cycles=float(d["fill"][2]),
                       batches=tuple(int(b) for b in d["batches"]),
                       batch_cycles=None if d["batch_cycles"] is None else np.array(d["batch_cycles"], dtype=np.int64))
        except (ValueError, KeyError, TypeError) as error:
            raise TableError(f"not a latency table ({type(error).__name__}: {error}): measure it again") from error


def build_table(subnets: Sequence[SubNet], subgraphs: Sequence[Candidate], measure: Measure, *, layers: Sequence[Layer],
                clock_mhz: float, capacity: int, origin: str, source: dict[str, Any] | None = None,
                fill: tuple[float, float, float] = (0.0, 0.0, 0.0),
                progress: Callable[[int, int], None] | None = None) -> LatencyTable:
    """Measure every SubNet with every SubGraph: `measure(subnet, subgraph)` gives cycles.

    Columns are measured one after the other, so that a device changes its cache once per SubGraph; `progress(done,
    total)` is called after each number.  fill: cycles of a change of the cache for each word and for each layer,
    and of the memory for each word of a query.
    """
    cycles = np.zeros((len(subnets), len(subgraphs)), dtype=np.int64)
    for j, c in enumerate(subgraphs):
        for i, s in enumerate(subnets):
            cycles[i, j] = measure(s, c)
            if progress:
                progress(j * len(subnets) + i + 1, cycles.size)
    return LatencyTable(layers=tuple(layers), subnets=tuple(subnets), subgraphs=tuple(subgraphs), cycles=cycles,
                        clock_mhz=clock_mhz, capacity=capacity, source=source or {},
                        fill_word_cycles=fill[0], fill_entry_cycles=fill[1], memory_word_cycles=fill[2],
                        origin=tuple(tuple(origin for _ in subgraphs) for _ in subnets))
