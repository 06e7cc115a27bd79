"""What executes decisions: the interface, and a server that only looks into the latency table."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from nigiri.sched.query import Query
from nigiri.sched.subgraph import WORD, words
from nigiri.sched.table import LatencyTable

__all__ = ["Execution", "Server", "TableServer"]


class Execution(NamedTuple):
    """One launch as it was executed.

    Parameters
    ----------
    cycles: of the inference, from start to done.
    dram_bytes: off-chip bytes by kind; "fill" are those of a cache change that ended before or beside it.
    pb_bytes: weight bytes taken from the persistent buffer.
    labels: the classes it answered, by query; empty when nothing was computed.
    fill_cycles: for which it waited for a cache change to end.
    fill_left: cycles that a cache change beside it still needs.
    """

    cycles: int
    dram_bytes: dict[str, int]
    pb_bytes: int = 0
    labels: tuple[int, ...] = ()
    fill_cycles: int = 0
    fill_left: int = 0


class Server(Protocol):
    """Executes what a policy decided: a table, the RTL, or a board."""

    def load(self, column: int) -> None:
        """Start to fill the cache with the SubGraph of a column."""
        ...

    def rest(self, cycles: int) -> None:
        """Nothing is asked of the device for so long; a fill goes on."""
        ...

    def infer(self, row: int, queries: Sequence[Query], wait: bool) -> Execution:
        """Run a SubNet for all queries in one launch: behind a running fill, or beside it."""
        ...


class TableServer:
    """Executes nothing: cycles and weight bytes as the table says.

    A launch of several queries takes what the next larger measured batch takes, with nothing cached.
    """

    def __init__(self, table: LatencyTable) -> None:
        self._table, self._column, self._fill, self._fill_bytes = table, 0, 0, 0
        self._known: dict[tuple[int, int, int], Execution] = {}

    def load(self, column: int) -> None:
        lookup = self._table.lookup
        self._fill += int(lookup.fill_cycles[self._column, column])
        self._fill_bytes += WORD * int(lookup.fill_words[self._column, column])
        self._column = column

    def rest(self, cycles: int) -> None:
        self._fill = max(0, self._fill - cycles)

    def infer(self, row: int, queries: Sequence[Query], wait: bool) -> Execution:
        filling = self._fill_bytes > 0
        key = (row, 0 if filling and not wait else self._column, len(queries))
        done = self._known.get(key)
        if done is None:
            done = self._known[key] = self._execution(*key)
        if not filling:
            return done
        if not wait:
            clock = self._table.clock_mhz * 1e3
            ms = self._table.lookup.beside(row, self._column, self._fill / clock)
            done = done._replace(cycles=round(ms * clock))
        waited = self._fill if wait else 0
        self._fill = 0 if wait else max(0, self._fill - int(self._table.lookup.beside_cycles[row]))
        if not self._fill:
            done = done._replace(dram_bytes={**done.dram_bytes, "fill": self._fill_bytes})
            self._fill_bytes = 0
        return done._replace(fill_cycles=waited, fill_left=self._fill)

    def _execution(self, row: int, column: int, count: int) -> Execution:
        table = self._table
        hits = int(table.hits[row, column])
        cycles = int(table.cycles[row, column]) if count == 1 else table.launch_cycles(row, count)
        missing = words(table.subnets[row].boxes) - hits
        return Execution(cycles, {"weights": WORD * missing, "other": count * table.subnets[row].other_bytes},
                         WORD * hits)
