"""The serving loop: queries in, decisions by a policy, inferences by whatever executes them."""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nigiri.sched.policy import Policy
from nigiri.sched.query import Query, State
from nigiri.sched.subgraph import WORD, words
from nigiri.sched.table import LatencyTable

__all__ = ["Execution", "Served", "Server", "TableServer", "serve"]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One inference as it was executed.

    Parameters
    ----------
    cycles: from start to done.
    dram_bytes: off-chip bytes by kind.
    pb_bytes: weight bytes taken from the persistent buffer.
    label: the class it answered; -1 when nothing was computed.
    """

    cycles: int
    dram_bytes: dict[str, int] = field(default_factory=dict)
    pb_bytes: int = 0
    label: int = -1


class Server(Protocol):
    """Executes what a policy decided: a table, the RTL, or a board."""

    def load(self, column: int) -> tuple[int, int]:
        """Cache the SubGraph of a column; (bytes read for it, cycles it delays the next query)."""
        ...

    def infer(self, row: int, query: Query) -> Execution: ...


class TableServer:
    """Executes nothing: cycles and weight bytes as the table says."""

    def __init__(self, table: LatencyTable) -> None:
        self._table, self._hits, self._column = table, table.hits, 0

    def load(self, column: int) -> tuple[int, int]:
        self._column = column
        return WORD * words(self._table.subgraphs[column].boxes), 0

    def infer(self, row: int, query: Query) -> Execution:
        hits = int(self._hits[row, self._column])
        missing = words(self._table.subnets[row].boxes) - hits
        return Execution(cycles=int(self._table.cycles[row, self._column]), dram_bytes={"weights": WORD * missing},
                         pb_bytes=WORD * hits)


@dataclass(frozen=True, kw_only=True)
class Served:
    """One query served.

    Parameters
    ----------
    service_ms: from its start to its end, with what a cache change before it delayed.
    response_ms: from its arrival to its end.
    cached: column of the table while it ran.
    fill_bytes: read for the cache change before it.
    """

    query: Query
    subnet: int
    cached: int
    execution: Execution
    service_ms: float
    response_ms: float
    fill_bytes: int = 0


def serve(queries: Sequence[Query], policy: Policy, table: LatencyTable, server: Server,
          watch: Callable[[Served], None] | None = None) -> list[Served]:
    """Serve `queries` in order, one at a time; `watch` sees each as soon as it is served.

    A query starts when it has arrived and the one before has ended.  A change of the cache takes effect before the
    next query; the bytes it reads are booked on that query.
    """
    out = []
    for s in stream_served(queries, policy, table, server):
        out.append(s)
        if watch:
            watch(s)
    return out


def stream_served(queries: Sequence[Query], policy: Policy, table: LatencyTable, server: Server) -> Iterator[Served]:
    arrivals = [q.arrival_s for q in queries]
    cached, clock = policy.start(table), 0.0
    fill, delay = server.load(cached) if cached else (0, 0)
    for n, query in enumerate(queries):
        clock = max(clock, query.arrival_s)
        waiting = max(0, bisect_right(arrivals, clock) - n - 1)
        decision = policy.decide(query, State(cached=cached, served=n, queue=waiting, clock_s=clock), table)
        execution = server.infer(decision.subnet, query)
        service = (execution.cycles + delay) / (table.clock_mhz * 1e6)
        clock += service
        yield Served(query=query, subnet=decision.subnet, cached=cached, execution=execution, service_ms=1e3 * service,
                     response_ms=1e3 * (clock - query.arrival_s), fill_bytes=fill)
        fill, delay = 0, 0
        if decision.load is not None and n + 1 < len(queries):
            cached = decision.load
            fill, delay = server.load(cached)
