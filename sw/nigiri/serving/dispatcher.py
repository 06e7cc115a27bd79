"""The scheduling core: one queue, several devices, and what was promised to whoever waits.

Everything here runs in one event loop; devices block in threads of their own.
"""
from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import numpy as np

from nigiri.energy import ENERGY, EnergyConstants, energy_mj
from nigiri.sched.query import Decision, Query, State
from nigiri.sched.routing import Locality, Router
from nigiri.serving.admission import Admission, needs
from nigiri.serving.backend import Backend, Launched
from nigiri.serving.errors import DeadlineMissed, DeviceFault, ServingError, Unavailable
from nigiri.serving.job import Job
from nigiri.serving.observer import Observer
from nigiri.serving.replica import Replica
from nigiri.serving.request import Answer, Targets

__all__ = ["Dispatcher"]

BACKOFF_S = (0.1, 5.0)
"""First and longest pause before a device that failed is opened again."""


class Dispatcher:
    """Queue and devices.

    Parameters
    ----------
    replicas: not yet open.
    limit: images that may wait.
    tries: launches of one image before it is given up.
    check: of this share of launches the answers are compared with `golden` before they go out.
    golden: logits of a SubNet for images; needed for `check`.
    """

    def __init__(self, replicas: Sequence[Replica], *, limit: int = 1024, router: Router | None = None,
                 observer: Observer | None = None, tries: int = 3, check: float = 0.0,
                 golden: Callable[[str, Sequence[np.ndarray]], np.ndarray] | None = None,
                 energy: EnergyConstants = ENERGY["ddr4"], seed: int = 0) -> None:
        self.replicas, self.router, self.observer = list(replicas), router or Locality(), observer or Observer()
        for n, r in enumerate(self.replicas):
            r.index = n
        self.admission = Admission(limit)
        self.accepting = False
        self.served = 0
        self._tries, self._check, self._golden, self._energy = tries, check, golden, energy
        self._random = np.random.default_rng(seed)
        self._waiting: list[Job] = []                        # sorted by deadline, then by arrival
        self._open: set[Job] = set()                         # accepted and not yet answered
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    # life

    async def start(self) -> None:
        """Open all devices; raises what the first of them raises when none opens."""
        results = await asyncio.gather(*(r.open() for r in self.replicas), return_exceptions=True)
        errors = [e for e in results if isinstance(e, BaseException)]
        if len(errors) == len(self.replicas):
            raise errors[0]
        self.accepting = True
        for r, e in zip(self.replicas, results, strict=True):
            if isinstance(e, BaseException):
                self._out(r, str(e))

    @property
    def waiting(self) -> int:
        """Images in the queue."""
        return len(self._waiting)

    @property
    def pending(self) -> int:
        """Images accepted and not yet answered."""
        return len(self._open)

    @property
    def ready(self) -> bool:
        return self.accepting and any(r.state == "up" for r in self.replicas)

    async def drain(self, timeout_s: float = 30.0) -> bool:
        """Accept nothing more and answer what was accepted; whether all was in time."""
        self.accepting = False
        end = time.monotonic() + timeout_s
        while self._open and time.monotonic() < end:
            await asyncio.wait([j.future for j in self._open], timeout=min(0.05, timeout_s))
        return not self._open

    async def close(self) -> None:
        """Refuse what is left and give the devices back."""
        self.accepting = False
        for job in list(self._open):
            self._refuse(job, Unavailable("the server stops: ask another one"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(r.close() for r in self.replicas))

    # requests

    async def submit(self, images: Sequence[np.ndarray], targets: Targets | None = None) -> list[Answer]:
        """Classify images, uint8 [height, width, channels]; all of them are accepted, or none.

        Raises
        ------
        Unattainable, Overloaded, Unavailable, UnknownModel: refused at once.
        DeadlineMissed, DeviceFault: accepted, and not answered in time after all.
        """
        targets = targets or Targets()
        try:
            jobs = self._admit(images, targets)
        except ServingError as error:
            self.observer.refused(len(images), error, targets)
            raise
        self._pump()
        try:
            return list(await asyncio.gather(*(j.future for j in jobs)))
        except BaseException:
            for job in jobs:                                 # a client that has gone, or one image of several is lost
                if not job.future.done():
                    job.future.cancel()
                elif not job.future.cancelled():
                    job.future.exception()
            raise

    def _admit(self, images: Sequence[np.ndarray], targets: Targets) -> list[Job]:
        up = [r for r in self.replicas if r.state == "up"]
        if not self.accepting or not up:
            raise Unavailable("the server stops: ask another one" if not self.accepting else
                              "no device works now: try again in a second", 1.0)
        now, table = time.monotonic(), up[0].table
        row = needs(targets, table, min(r.least_slower for r in up))
        deadline = now + 1e-3 * targets.deadline_ms
        ahead = bisect_right(self._waiting, deadline, key=lambda j: j.deadline)
        self.admission.check(targets, row, len(images), ahead, len(self._waiting), table,
                             [1e3 * max(0.0, r.until - now) if r.busy else 0.0 for r in up], min(r.slower for r in up))
        loop, jobs = asyncio.get_running_loop(), []
        for image in images:
            self._number += 1
            query = Query(targets.accuracy, targets.latency_ms, now, self._number, deadline, targets.goal)
            job = Job(self._number, image, query, targets, loop.create_future())
            job.future.add_done_callback(partial(self._closed, job))
            self._open.add(job)
            insort(self._waiting, job)
            if deadline < float("inf"):
                job.timer = loop.call_later(deadline - now, self._expire, job)
            jobs.append(job)
        self.observer.accepted(len(jobs), len(self._waiting))
        return jobs

    def _closed(self, job: Job, future: asyncio.Future[Answer]) -> None:
        self._open.discard(job)
        # While no device is idle nobody looks at the queue: what is answered must not take others' place in it.
        n = bisect_left(self._waiting, job)
        if n < len(self._waiting) and self._waiting[n] is job:
            del self._waiting[n]

    def _expire(self, job: Job) -> None:
        self._refuse(job, DeadlineMissed(f"not answered within {job.targets.deadline_ms:g} ms: the devices were slower "
                                         "than predicted, or have failed"))

    def _refuse(self, job: Job, error: ServingError) -> None:
        if job.timer:
            job.timer.cancel()
        if not job.future.done():
            job.future.set_exception(error)
            self.observer.refused(1, error, job.targets)

    # launches

    def _pump(self) -> None:
        """Give the queue to the idle devices."""
        while self._waiting:
            idle = [r for r in self.replicas if r.idle]
            if not idle:
                return
            job = self._waiting.pop(0)
            if job.future.done():
                continue
            now = time.monotonic()
            replica = self.router.pick(job.query, idle, now)
            try:
                row, load, batch, wait = self._decide(job, replica, now)
            except ServingError as error:
                self._refuse(job, error)
                continue
            jobs = [job]
            accuracy = replica.table.subnets[row].accuracy
            while len(jobs) < batch and self._waiting:
                if job.targets.subnet or self._waiting[0].targets.subnet or self._waiting[0].query.accuracy > accuracy:
                    break
                following = self._waiting.pop(0)
                if not following.future.done():
                    jobs.append(following)
            replica.busy, replica.until = True, now + replica.expected_s(row, len(jobs))
            self._task(self._launch(replica, jobs, row, load, wait))

    def _decide(self, job: Job, r: Replica, now: float) -> Decision:
        """The policy's decision, unless it would break a promise: then the SubNet that keeps it and is nearest."""
        table, fill, slower = r.table, r.fill_ms(now), r.slower
        if job.targets.subnet is not None:
            return Decision(needs(job.targets, table))
        slack = 1e3 * (job.query.deadline_s - now)
        # The policy knows the table's clock only: a device at half of it has half the time.
        query = job.query if slower == 1.0 else job.query._replace(
            latency_ms=job.query.latency_ms / slower, deadline_s=now + 1e-3 * slack / slower)
        decision = r.policy.decide(query, State(r.column, self.served, len(self._waiting), now, fill / slower, r.index,
                                                sum(x.state == "up" for x in self.replicas)), table)
        row = decision.subnet
        if row >= 0 and table.subnets[row].accuracy < query.accuracy:
            row = needs(Targets(accuracy=query.accuracy), table)
            decision = Decision(row, decision.load, 1, decision.wait)
        if row >= 0:
            expected = slower * table.launch_cycles(row, decision.batch, r.column) / (1e3 * table.clock_mhz)
            if expected + (fill if decision.wait else 0.0) <= slack:
                return decision
        column = 0 if fill else r.column
        row = table.lookup.most_accurate(slack / slower, column)
        if row < 0 or table.subnets[row].accuracy < job.query.accuracy:
            raise DeadlineMissed(f"only {max(0.0, slack):.1f} of {job.targets.deadline_ms:g} ms are left, too little "
                                 "for any SubNet that is accurate enough: the devices were slower than predicted")
        return Decision(row, decision.load, 1, wait=not fill)

    async def _launch(self, r: Replica, jobs: list[Job], row: int, load: int | None, wait: bool) -> None:
        began = time.monotonic()
        for job in jobs:
            job.started, job.tries = began, job.tries + 1
        images, column = [j.image for j in jobs], r.column if wait or not r.fill_ms(began) else 0
        backend = r.backend
        try:
            launched = await r.run(row, images, wait)
            if self._check and self._random.random() < self._check:
                await self._compare(r.table.subnets[row].name, images, launched)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever a device does, the others go on
            text = f"no answer within {r.hang_s:g} s" if isinstance(error, asyncio.TimeoutError) else str(error)
            if r.backend is backend:
                self._out(r, text)
            self._again(jobs, text)
            self._pump()
            return
        self._answer(r, jobs, row, column, launched)
        took = time.monotonic() - began
        self.admission.saw(1e3 * took / len(jobs))
        r.busy_s += took
        if load is not None and r.state == "up" and load != r.column:
            try:
                await r.load(load)
                self.observer.loaded(r, load)
            except Exception as error:
                self._out(r, str(error))
        r.busy, r.last_used = False, time.monotonic()
        self._pump()

    async def _compare(self, name: str, images: Sequence[np.ndarray], launched: Launched) -> None:
        assert self._golden is not None
        wanted = await asyncio.to_thread(self._golden, name, images)
        if not np.array_equal(wanted, launched.logits):
            raise DeviceFault("its answers differ from the golden model's")

    def _answer(self, r: Replica, jobs: list[Job], row: int, column: int, launched: Launched) -> None:
        now, table, backend = time.monotonic(), r.table, r.backend
        subnet, count = table.subnets[row], len(jobs)
        self.served += count
        r.served += count
        r.launches += 1
        r.dram_bytes += launched.dram_bytes
        r.pb_bytes += launched.pb_bytes
        mj = energy_mj(self._energy, dram_bytes=launched.dram_bytes, pb_bytes=launched.pb_bytes,
                       macs=count * subnet.macs)["total"] / count
        graph, hits = table.subgraphs[column].name, table.hit_ratio(row, column)
        clock = backend.clock_mhz if backend else 0.0
        for job, logits in zip(jobs, launched.logits, strict=True):
            if job.timer:
                job.timer.cancel()
            if job.future.done():
                continue
            if now > job.query.deadline_s:
                self._expire(job)
                continue
            answer = Answer(logits, subnet.name, subnet.accuracy, r.name, launched.device_ms,
                            1e3 * (job.started - job.query.arrival_s), 1e3 * (now - job.query.arrival_s), graph, hits,
                            mj, launched.dram_bytes // count, launched.pb_bytes // count, clock, count, job.tries - 1)
            job.future.set_result(answer)
            self.observer.answered(answer, job.targets)
        self.observer.launched(r, row, count, launched)

    async def change(self, r: Replica, factory: Callable[[], Backend]) -> None:
        """Let a device finish its launch and open it anew; raises Unavailable when it keeps its former bundle."""
        former, r.factory = r.factory, factory
        if r.state != "up":
            return                                           # it takes the new one when it comes back
        r.state = "leaving"                                  # gets no more launches
        while r.busy:
            await asyncio.sleep(0.001)
        if r.state != "leaving":
            return
        try:
            await r.reopen()
        except Exception as error:  # back to what worked
            r.factory = former
            self._out(r, str(error))
            raise Unavailable(f"{r.name} does not take the new bundle ({error}): it keeps the former one") from error
        self.observer.recovered(r)
        self._pump()

    # faults

    def _again(self, jobs: list[Job], reason: str) -> None:
        """Back into the queue, or given up."""
        for job in jobs:
            if job.future.done():
                continue
            if job.tries >= self._tries:
                self._refuse(job, DeviceFault(f"{job.tries} launches failed, the last one with: {reason}", 1.0))
            else:
                insort(self._waiting, job)

    def _out(self, r: Replica, reason: str) -> None:
        r.fail(reason)
        self.observer.fault(r, reason)
        self._task(self._revive(r))

    async def _revive(self, r: Replica) -> None:
        """Open the device again, until it works or the service ends."""
        pause = BACKOFF_S[0]
        while True:
            await asyncio.sleep(pause)
            if r.state != "down":
                return
            pause = min(2 * pause, BACKOFF_S[1])
            try:
                await asyncio.wait_for(r.open(), max(60.0, r.hang_s))
            except asyncio.CancelledError:
                raise
            except Exception as error:  # tried again
                r.fail(str(error))
                continue
            self.observer.recovered(r)
            self._pump()
            return

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
