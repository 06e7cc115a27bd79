"""What the scheduler looks up instead of searching: every choice and every change of a latency table, worked out once.

A decision is then one bisection and two list indices, whatever the number of SubNets and SubGraphs.
"""
from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from nigiri.sched.query import Decision

if TYPE_CHECKING:
    from nigiri.sched.table import LatencyTable

__all__ = ["Lookup"]


class Lookup:
    """Choices of the rows of a table, for every target and column.

    Attributes
    ----------
    accuracies: of the SubNets, ascending, per cent.
    decisions: to serve one query with each row, and nothing else.
    rank_rows, rank_cycles: int64 [SubNets + 1, SubGraphs]: row and cycles of the fastest SubNet among those from a rank
        of `accuracies` on; the last row, for targets that no SubNet reaches, has the most accurate one's.
    by_rank: the rows of `rank_rows`, by column and then by rank.
    fill_cycles: float32 [SubGraphs, SubGraphs]: cycles to change the cache from a row's SubGraph to a column's.
    fill_words: int64, the same shape: weight words that the change reads.
    beside_cycles, beside_ms: by SubNet, how much of a fill gets done beside one inference with the empty cache: the
        time in which the memory has nothing else to do.
    """

    def __init__(self, table: LatencyTable):
        cycles, accuracy = table.cycles, table.accuracies
        order = np.lexsort((np.arange(len(accuracy)), accuracy))
        self.accuracies: list[float] = accuracy[order].tolist()
        # From the most accurate SubNet down: the fastest so far; ties go to the more accurate one.
        best = np.empty((len(order) + 1, cycles.shape[1]), np.int64)
        best[-1] = best[-2] = order[-1]
        columns = np.arange(cycles.shape[1])
        for k in range(len(order) - 2, -1, -1):
            better = cycles[order[k]] < cycles[best[k + 1], columns]
            equal = (cycles[order[k]] == cycles[best[k + 1], columns]) & (accuracy[order[k]] == accuracy[best[k + 1]])
            best[k] = np.where(better | equal, order[k], best[k + 1])
        self.rank_rows, self.rank_cycles = best, cycles[best, columns]
        self.by_rank: list[list[int]] = best.T.tolist()
        self.decisions = [Decision(i) for i in range(len(accuracy))]
        self.latency: list[list[float]] = table.latencies_ms.T.tolist()
        self._slots: list[list[float]] = []
        self._accurate: list[list[int]] = []
        for j in range(cycles.shape[1]):
            by_latency = np.lexsort((-accuracy, cycles[:, j]))
            self._slots.append(table.latencies_ms[by_latency, j].tolist())
            top, rows = -1, []
            for i in by_latency.tolist():
                if top < 0 or accuracy[i] > accuracy[top]:
                    top = i
                rows.append(top)
            self._accurate.append(rows)
        self.fill_words, self.fill_cycles = self._changes(table)
        read = np.array([sum(ob * ib * taps for ob, ib, taps in s.boxes.values()) + s.other_bytes / 64
                         for s in table.subnets])
        self.beside_cycles = np.maximum(0.0, cycles[:, 0] - table.memory_word_cycles * read).astype(np.int64)
        self.beside_ms: list[float] = (self.beside_cycles / (table.clock_mhz * 1e3)).tolist()

    @staticmethod
    def _changes(table: LatencyTable) -> tuple[np.ndarray, np.ndarray]:
        """Boxes that both SubGraphs have stay; all others are read."""
        boxes = table.subgraph_vectors.reshape(len(table.subgraphs), -1, 3)
        sizes = boxes.prod(axis=2)
        words = np.zeros((len(boxes), len(boxes)), np.int64)
        entries = np.zeros_like(words)
        for i, old in enumerate(boxes):
            differ = (boxes != old).any(axis=2)
            words[i] = (differ * sizes).sum(axis=1)
            entries[i] = (differ & (sizes > 0)).sum(axis=1)
        cycles = table.fill_word_cycles * words + table.fill_entry_cycles * entries
        return words, cycles.astype(np.float32)

    def most_accurate(self, latency_ms: float, column: int) -> int:
        """The most accurate SubNet within a latency, the fastest of equal ones; -1 when there is none."""
        n = bisect_right(self._slots[column], latency_ms)
        return self._accurate[column][n - 1] if n else -1

    def beside(self, row: int, column: int, fill_ms: float) -> float:
        """Latency of a SubNet beside the fill of a column, milliseconds: at the pace of the empty cache until the fill
        has ended, then at the column's.  Never more than with the empty cache."""
        empty, room = self.latency[0][row], self.beside_ms[row]
        if fill_ms >= room:
            return empty
        return empty - max(0.0, empty - self.latency[column][row]) * (1 - fill_ms / room)

    def most_accurate_rows(self, latency_ms: np.ndarray) -> np.ndarray:
        """:meth:`most_accurate` of many latencies and every column, int64 [latencies, SubGraphs]."""
        out = np.empty((len(latency_ms), len(self._slots)), np.int64)
        for j, (slots, rows) in enumerate(zip(self._slots, self._accurate, strict=True)):
            out[:, j] = np.array([-1, *rows])[np.searchsorted(slots, latency_ms, side="right")]
        return out

    def quickest(self, column: int) -> int:
        """The SubNet with the smallest latency, the most accurate of equal ones."""
        return self._accurate[column][0]
