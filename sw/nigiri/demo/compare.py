"""Serves one stream under several policies, each on its own device, several at a time."""
from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from nigiri.demo.check import GoldenCheck
from nigiri.demo.server import DeviceServer
from nigiri.demo.setup import Setup
from nigiri.runtime.errors import NigiriError
from nigiri.sched.policy import Policy
from nigiri.sched.query import Query
from nigiri.sched.serve import Served, stream_served
from nigiri.sched.table import LatencyTable

__all__ = ["Cancelled", "compare"]


class Cancelled(NigiriError):
    """Another policy failed, or the user interrupted."""


def compare(setup: Setup, table: LatencyTable, queries: Sequence[Query], policies: Sequence[Policy],
            check: GoldenCheck, *, jobs: int, watch: Callable[[str, Served], None]) -> dict[str, list[Served]]:
    """Every policy's served queries by its name; `watch` is called from several threads.

    Raises
    ------
    The first error of any policy; the others stop after their current query.
    """
    stop = threading.Event()
    results: dict[str, list[Served]] = {p.name: [] for p in policies}

    def run(policy: Policy) -> None:
        server = DeviceServer(setup, table, check)
        try:
            for served in stream_served(queries, policy, table, server):
                if stop.is_set():
                    raise Cancelled("stopped because another policy failed")
                results[policy.name].append(served)
                watch(policy.name, served)
        except BaseException:
            stop.set()
            raise
        finally:
            server.close()

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run, p) for p in policies]
        try:
            errors = [job.exception() for job in waiting]
        except BaseException:
            stop.set()
            raise
    found = [e for e in errors if e is not None]
    if found:
        raise next((e for e in found if not isinstance(e, Cancelled)), found[0])
    return results
