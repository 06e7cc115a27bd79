"""Load for a server: closed (so many clients, each with one query under way) or open (arrivals at given times)."""
from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from nigiri.serving.client import Client, Result
from nigiri.serving.errors import ServingError

__all__ = ["Report", "closed_load", "open_load"]


@dataclass
class Report:
    """What came back.  Milliseconds are of the client; overhead is what the server spent beside queue and device."""

    sent: int = 0
    answered: int = 0
    in_time: int = 0
    wrong: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    subnets: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    client_ms: list[float] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)
    device_ms: list[float] = field(default_factory=list)
    overhead_ms: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    energy_mj: float = 0.0
    dram_bytes: int = 0
    cache_bytes: int = 0

    def took(self, result: Result, ms: float, deadline_ms: float | None) -> None:
        """One answer."""
        p = result.parameters
        self.answered += 1
        self.in_time += deadline_ms is None or p["total_ms"] <= deadline_ms
        self.subnets[p["subnet"]] += 1
        self.devices[p["device"]] += 1
        self.retries += int(p["retries"])
        self.client_ms.append(ms)
        self.server_ms.append(p["total_ms"])
        self.device_ms.append(p["latency_ms"])
        self.overhead_ms.append(max(0.0, p["total_ms"] - p["queue_ms"] - p["latency_ms"]))
        self.accuracy.append(p["accuracy"])
        self.hits.append(p["cache_hit_ratio"])
        self.energy_mj += p["energy_mj"]
        self.dram_bytes += p["dram_bytes"]
        self.cache_bytes += p["cache_bytes"]

    def summary(self) -> dict[str, Any]:
        """As numbers."""
        def line(values: Sequence[float]) -> dict[str, float]:
            if not values:
                return {}
            p50, p99 = np.percentile(values, (50, 99))
            return {"mean": round(float(np.mean(values)), 4), "p50": round(float(p50), 4), "p99": round(float(p99), 4)}
        return {"sent": self.sent, "answered": self.answered, "in_time": self.in_time, "wrong": self.wrong,
                "refused": dict(self.refused), "lost": self.sent - self.answered - sum(self.refused.values()),
                "seconds": round(self.seconds, 3), "requests_per_s": round(self.answered / max(self.seconds, 1e-9), 1),
                "attainment": round(self.in_time / max(1, self.sent), 5),
                "accuracy": round(float(np.mean(self.accuracy)), 3) if self.accuracy else None,
                "cache_hit_ratio": round(float(np.mean(self.hits)), 4) if self.hits else None,
                "client_ms": line(self.client_ms), "server_ms": line(self.server_ms),
                "device_ms": line(self.device_ms), "overhead_ms": line(self.overhead_ms),
                "subnets": dict(self.subnets), "devices": dict(self.devices), "retries": self.retries,
                "dram_bytes_per_query": round(self.dram_bytes / max(1, self.answered)),
                "cache_bytes_per_query": round(self.cache_bytes / max(1, self.answered)),
                "energy_mj_per_query": round(self.energy_mj / max(1, self.answered), 4)}


Expected = Callable[[str, int], np.ndarray]
Wish = Callable[[int], dict[str, Any]]
"""Targets of the query of a number."""


class _Sender:
    def __init__(self, client: Client, images: np.ndarray, targets: Wish, expected: Expected | None) -> None:
        self.client, self.images, self.targets, self.expected = client, images, targets, expected
        self.report = Report()

    async def one(self, number: int) -> None:
        r, n = self.report, number % len(self.images)
        r.sent += 1
        targets = self.targets(number)
        start = time.perf_counter()
        try:
            result = await self.client.infer(self.images[n:n + 1], **targets)
        except ServingError as error:
            r.refused[type(error).__name__] += 1
            return
        r.took(result, 1e3 * (time.perf_counter() - start), targets.get("deadline_ms"))
        if self.expected is not None and not np.array_equal(result.logits[0], self.expected(result.subnet, n)):
            r.wrong += 1


async def closed_load(client: Client, images: np.ndarray, *, clients: int, seconds: float,
                      targets: Wish = lambda n: {}, expected: Expected | None = None) -> Report:
    """`clients` queries under way all the time; expected(SubNet, image number) gives the right logits."""
    sender, numbers = _Sender(client, images, targets, expected), count()
    end = time.monotonic() + seconds

    async def worker() -> None:
        while time.monotonic() < end:
            await sender.one(next(numbers))
    start = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(clients)))
    sender.report.seconds = time.monotonic() - start
    return sender.report


async def open_load(client: Client, images: np.ndarray, arrivals: np.ndarray, *,
                    targets: Wish = lambda n: {}, expected: Expected | None = None) -> Report:
    """One query at each time of `arrivals`, seconds from now, whether earlier ones are answered or not."""
    sender, start, tasks = _Sender(client, images, targets, expected), time.monotonic(), set()
    for n, at in enumerate(arrivals.tolist()):
        if (wait := start + at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(sender.one(n))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    sender.report.seconds = time.monotonic() - start
    return sender.report
