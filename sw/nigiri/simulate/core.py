"""The simulator: events are arrivals at an idle device, ends of launches, and faults (SimPy keeps the clock).

Arrivals while all devices work need no event: they are let into the queue when a device becomes free.
"""
from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import simpy

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import Policy
from nigiri.sched.query import Query, State
from nigiri.sched.routing import Router
from nigiri.sched.table import LatencyTable
from nigiri.sched.waiting import Order, Waiting
from nigiri.simulate.faults import Fault
from nigiri.simulate.queries import Queries
from nigiri.simulate.trace import Status, Trace

__all__ = ["simulate"]

MOST_DEVICES = 4096
FIELDS = 7
"""Numbers that are kept of a launch."""


class _Device:
    """One accelerator: its policy, what it has cached, and the launch that it works on."""

    __slots__ = ("busy_s", "column", "down", "fill", "ids", "index", "last_used", "launch", "policy", "table")
    slower = 1.0

    def __init__(self, index: int, policy: Policy, table: LatencyTable):
        self.index, self.policy, self.table = index, policy, table
        self.down = 0                 # faults that it has now
        self.column = 0
        self.fill = 0.0               # milliseconds of a running fill; it uses the time in which nothing else runs
        self.busy_s, self.last_used = 0.0, 0.0
        self.launch = -1              # number of the launch; an end of another one is stale
        self.ids: list[int] = []

    def fill_ms(self, now: float) -> float:
        return max(0.0, self.fill - 1e3 * (now - self.last_used)) if self.fill else 0.0


class _Simulation:
    def __init__(self, queries: Queries, policies: Sequence[Policy], table: LatencyTable, order: Order,
                 router: Router | None, hold: int, hold_s: float):
        self.queries, self.table, self.router = queries, table, router
        self.hold, self.hold_s = hold, hold_s
        self.env = simpy.Environment()
        self.arrival, self.deadline = queries.arrival_s.tolist(), queries.deadline_s.tolist()
        self.accuracy, self.latency = queries.accuracy.tolist(), queries.latency_ms.tolist()
        self.goal = queries.goal
        self.waiting = Waiting(self.arrival, self.deadline, order)
        self.devices = [_Device(n, p, table) for n, p in enumerate(policies)]
        self.idle = list(self.devices)
        self.alarm = False
        self.served = 0
        self.fill_words, self.changes = 0, 0
        n = len(queries)
        self.refused = bytearray(n)
        # Of every launch: start, end, row, column, device, number of queries, and the place of its first one in `ids`.
        # Plain numbers in one flat list: a million tuples would keep the garbage collector busy.
        self.log: list[float] = []
        self.ids: list[int] = []
        self.single_s: list[list[float]] = (table.latencies_ms / 1e3).tolist()
        self.rows = len(table.subnets)
        known: dict[int, int] = {}
        for d in self.devices:
            # A shared policy starts once.
            if id(d.policy) not in known:
                known[id(d.policy)] = d.policy.start(table)
            d.column = known[id(d.policy)]
            self.fill_words += int(table.lookup.fill_words[0, d.column])

    def later(self, delay: float, call: Callable[[Any], None], value: Any = None) -> None:
        event = self.env.timeout(delay, value)
        event.callbacks.append(lambda e: call(e.value))

    def dispatch(self, _: Any = None) -> None:
        """Give the queue to the idle devices; when nothing waits, come back with the next arrival."""
        waiting, now, idle = self.waiting, self.env.now, self.idle
        waiting.admit(now)
        while idle and waiting and not self.held(now):
            if self.router:
                chosen = self.router.pick(self.query(waiting.head), idle, now)
                idle.remove(chosen)
                idle.append(chosen)
            if self.launch(idle[-1], now):
                idle.pop()
        if idle and not self.alarm:
            self.arm(now)

    def held(self, now: float) -> bool:
        """Whether an idle device waits for more queries than there are."""
        return len(self.waiting) < self.hold and self.arrival[self.waiting.head] + self.hold_s > now

    def arm(self, now: float) -> None:
        """Wake up with the next arrival, or when those that are held have waited long enough."""
        following = self.waiting.next_arrival
        if self.hold > 1 and self.waiting:
            due = self.arrival[self.waiting.head] + self.hold_s
            following = due if following is None else min(following, due)
        if following is not None:
            self.alarm = True
            self.env.timeout(following - now if following > now else 0.0).callbacks.append(self.ring)

    def ring(self, _: Any) -> None:
        self.alarm = False
        self.dispatch()

    def query(self, n: int) -> Query:
        return Query(self.accuracy[n], self.latency[n], self.arrival[n], n, self.deadline[n],
                     self.goal[n] if self.goal else None)

    def launch(self, d: _Device, now: float) -> bool:
        """Ask the policy about the head of the queue; False when it refused."""
        waiting = self.waiting
        head = waiting.pop()
        fill = d.fill_ms(now)
        row, load, size, wait = d.policy.decide(
            self.query(head), State(d.column, self.served, len(waiting), now, fill, d.index), self.table)
        if row < 0:
            self.refused[head] = 1
            return False
        if not row < self.rows or size < 1:
            raise SchedulerError(f"policy {d.policy.name!r} decided for SubNet {row} and a batch of {size}: rows are 0 "
                                 f"to {self.rows - 1}, batches at least 1")
        column = d.column if wait or not fill else 0
        ids, count = [head], 1
        if size > 1 and waiting:
            ids += waiting.take(size - 1)
            count = len(ids)
        if count == 1:
            service = self.single_s[row][column]
        else:
            service = self.table.launch_cycles(row, count, column) / (self.table.clock_mhz * 1e6)
        if d.fill:
            if wait or not fill:
                service += fill / 1e3
                d.fill = 0.0
            else:
                # The fill goes on in the memory's free time.
                service = self.table.lookup.beside(row, d.column, fill) / 1e3
                d.fill = max(0.0, fill - self.table.lookup.beside_ms[row])
        log, all_ids = self.log, self.ids
        d.ids, d.launch = ids, len(log)
        log += (now, now + service, row, column, d.index, count, len(all_ids))
        all_ids += ids
        self.env.timeout(service, (d, d.launch, load)).callbacks.append(self.done)
        return True

    def done(self, event: Any) -> None:
        d, launch, load = event.value
        if launch != d.launch:
            return
        now = self.env.now
        self.served += len(d.ids)
        d.busy_s += now - self.log[d.launch]
        d.ids = []
        d.last_used = now
        if load is not None and (self.waiting or self.waiting.next_arrival is not None):
            lookup = self.table.lookup
            d.fill += float(lookup.fill_cycles[d.column, load]) / (self.table.clock_mhz * 1e3)
            self.fill_words += int(lookup.fill_words[d.column, load])
            self.changes += 1
            d.column = load
        waiting = self.waiting
        waiting.admit(now)
        while waiting and not self.held(now):
            if self.launch(d, now):
                return
        # Nothing waits, or it is held: the other idle devices have nothing to do either.
        self.idle.append(d)
        if not self.alarm:
            self.arm(now)

    def trace(self) -> Trace:
        """The columns by query."""
        n = len(self.queries)
        ids, log = np.array(self.ids, np.int64), np.array(self.log, np.float64).reshape(-1, FIELDS)
        size = log[:, 5].astype(np.int64)
        kept = ids >= 0
        ids_kept = ids[kept]

        def column(of: int, empty: float, kind: Any) -> np.ndarray:
            out: np.ndarray = np.full(n, empty, kind)
            out[ids_kept] = np.repeat(log[:, of], size)[kept]
            return out

        status = np.frombuffer(bytes(self.refused), np.uint8) * np.uint8(Status.REFUSED)
        status[ids_kept] = Status.SERVED
        first = np.zeros(n, np.bool_)
        heads = ids[log[:, 6].astype(np.int64)]
        first[heads[heads >= 0]] = True
        return Trace(queries=self.queries, table=self.table, devices=len(self.devices), status=status,
                     start_s=column(0, np.nan, np.float64), end_s=column(1, np.nan, np.float64),
                     subnet=column(2, -1, np.int32), column=column(3, 0, np.int32), device=column(4, -1, np.int32),
                     batch=column(5, 0, np.int32), first=first, busy_s=float((log[:, 1] - log[:, 0]).sum()),
                     fill_words=self.fill_words, cache_changes=self.changes)

    def kill(self, d: _Device) -> None:
        """The device is gone; what it worked on waits again."""
        d.down += 1
        if d.down > 1:
            return
        if d.ids:
            self.log[d.launch + 1] = self.env.now
            place = int(self.log[d.launch + FIELDS - 1])
            self.ids[place:place + len(d.ids)] = [-1] * len(d.ids)
            for n in reversed(d.ids):
                self.waiting.give_back(n)
            d.ids, d.launch = [], -1
        else:
            self.idle.remove(d)
        self.dispatch()

    def revive(self, d: _Device) -> None:
        """The device is back, with an empty cache; what was cached is loaded again."""
        d.down -= 1
        if d.down:
            return
        d.fill = float(self.table.lookup.fill_cycles[0, d.column]) / (self.table.clock_mhz * 1e3)
        self.fill_words += int(self.table.lookup.fill_words[0, d.column])
        d.last_used = self.env.now
        self.idle.append(d)
        self.dispatch()


def simulate(queries: Queries, policy: Policy | Callable[[], Policy], table: LatencyTable, *, devices: int = 1,
             order: Order = "deadline", faults: Sequence[Fault] = (),
             router: Router | None = None, hold: int = 1, hold_s: float = 0.0) -> Trace:
    """Serve `queries` on equal devices behind one queue.

    Parameters
    ----------
    policy: one for all devices, or something that makes one for each (a cache-aware policy needs its own).
    table: says how long a launch takes; the first SubGraph of a policy is cached before the first arrival.
    order: of the queue.
    router: chooses among idle devices; None takes the one that became idle last.
    faults: devices that go away.  The queries of an interrupted launch go back to their place in the queue.
    hold, hold_s: a free device starts when `hold` queries wait, or when the first of them has waited `hold_s` (the
        batch timeout of serving systems, seconds).  By default it starts at once.

    Raises
    ------
    SchedulerError: no devices or too many, a fault of a device that does not exist, a hold below 1 or for no finite
        time, or a decision that makes no sense.
    """
    if hold < 1 or not 0 <= hold_s < float("inf"):
        raise SchedulerError(f"hold must be at least 1 query for a finite time of 0 or more, not {hold} and {hold_s} s")
    if not 1 <= devices <= MOST_DEVICES:
        raise SchedulerError(f"devices must be between 1 and {MOST_DEVICES}, not {devices}")
    policies: list[Policy]
    if isinstance(policy, Policy):
        policies = [policy] * devices
    else:
        policies = [policy() for _ in range(devices)]
    sim = _Simulation(queries, policies, table, order, router, hold, hold_s)
    for f in faults:
        if f.device >= devices:
            raise SchedulerError(f"there is no device {f.device} that could fail: devices are 0 to {devices - 1}")
        sim.later(f.at_s, sim.kill, sim.devices[f.device])
        if f.back_s != float("inf"):
            sim.later(f.back_s, sim.revive, sim.devices[f.device])
    sim.later(0.0, sim.dispatch)
    # Events come and go by the million and form no cycles.
    collects = gc.isenabled()
    gc.disable()
    try:
        sim.env.run()
    finally:
        if collects:
            gc.enable()
    return sim.trace()
