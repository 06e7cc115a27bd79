"""The serving loop of one device: queries in, decisions by a policy, launches by whatever executes them."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nigiri.sched.policy import Policy
from nigiri.sched.query import Query, State
from nigiri.sched.server import Execution, Server
from nigiri.sched.table import LatencyTable
from nigiri.sched.waiting import Order, Waiting

__all__ = ["Served", "serve", "stream_served"]

NOTHING = Execution(0, {})
FOREVER = 1 << 40
"""Cycles in which any fill ends."""


class Served(NamedTuple):
    """One query, served or refused.

    Parameters
    ----------
    subnet: row of the table; -1 when the query was refused.
    cached: column of the table while it ran.
    execution: the launch that served it; queries of one batch have the same.
    service_ms: from its start to its end, with what it waited for a cache change.
    response_ms: from its arrival to its end.
    predicted_ms: service time as the table says.
    first: whether it is the first of its launch: sums over launches count those.
    """

    query: Query
    subnet: int
    cached: int
    execution: Execution
    service_ms: float
    response_ms: float
    predicted_ms: float
    first: bool = True

    @property
    def refused(self) -> bool:
        return self.subnet < 0


def serve(queries: Sequence[Query], policy: Policy, table: LatencyTable, server: Server,
          watch: Callable[[Served], None] | None = None, order: Order = "arrival") -> list[Served]:
    """Serve `queries`, sorted by arrival, one launch at a time; `watch` sees each as soon as it is served.

    A query starts when it has arrived and the launch before has ended.  A change of the cache starts when the launch
    that asked for it has ended and uses the time in which nothing runs.
    """
    out = []
    for s in stream_served(queries, policy, table, server, order):
        out.append(s)
        if watch:
            watch(s)
    return out


def stream_served(queries: Sequence[Query], policy: Policy, table: LatencyTable, server: Server,
                  order: Order = "arrival") -> Iterator[Served]:
    """:func:`serve`, query by query."""
    waiting = Waiting([q.arrival_s for q in queries], [q.deadline_s for q in queries], order)
    cached, clock, served = policy.start(table), 0.0, 0
    lookup, cycle = table.lookup, 1 / (table.clock_mhz * 1e6)
    fill = 0.0                                     # predicted seconds that the running fill still needs
    if cached:
        # What is cached first is there before the stream begins; its bytes count.
        server.load(cached)
        server.rest(FOREVER)
    while True:
        waiting.admit(clock)
        if not waiting:
            arrival = waiting.next_arrival
            if arrival is None:
                return
            server.rest(round((arrival - clock) / cycle))
            fill = max(0.0, fill - (arrival - clock))
            clock = arrival
            continue
        head = queries[waiting.head]
        state = State(cached, served, len(waiting) - 1, clock, 1e3 * fill)
        decision = policy.decide(head, state, table)
        if decision.subnet < 0:
            waiting.take(1)
            yield Served(head, -1, cached, NOTHING, 0.0, 0.0, 0.0)
            continue
        batch = [queries[n] for n in waiting.take(decision.batch)]
        execution = server.infer(decision.subnet, batch, decision.wait)
        if decision.wait:
            predicted = cycle * table.launch_cycles(decision.subnet, len(batch), cached) + fill
        else:
            predicted = lookup.beside(decision.subnet, cached, 1e3 * fill) / 1e3
        service = cycle * (execution.cycles + execution.fill_cycles)
        used = cached if decision.wait or not fill else 0
        fill = cycle * execution.fill_left
        clock += service
        served += len(batch)
        for n, q in enumerate(batch):
            yield Served(q, decision.subnet, used, execution, 1e3 * service, 1e3 * (clock - q.arrival_s),
                         1e3 * predicted, n == 0)
        if decision.load is not None and (waiting or waiting.next_arrival is not None):
            fill += cycle * float(lookup.fill_cycles[cached, decision.load])
            cached = decision.load
            server.load(cached)
