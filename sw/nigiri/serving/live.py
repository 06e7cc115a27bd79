"""The live page: what the service does now, as events for a browser, and the page itself."""
from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from nigiri.sched.table import LatencyTable
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import DeadlineMissed, Overloaded, ServingError, Unavailable
from nigiri.serving.observer import Observer
from nigiri.serving.request import Answer, Targets

__all__ = ["Live"]

WINDOW_S = 10.0
PERIOD_S = 0.25
RECENT = 4096
CONTENT = "default-src 'self' 'unsafe-inline'; img-src 'self' data:"
"""What the page may load: its own parts only."""


class Live(Observer):
    """Counts of the last seconds, and the SuperNet layer by layer with what is cached and what is hit."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._d = dispatcher
        self._recent: deque[tuple[float, Answer | None, float, bool]] = deque(maxlen=RECENT)
        self._subnets: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def answered(self, answer: Answer, targets: Targets) -> None:
        good = answer.total_ms <= targets.deadline_ms and answer.device_ms <= targets.latency_ms
        self._recent.append((time.monotonic(), answer, targets.accuracy, good))
        self._subnets[answer.subnet] += 1

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        self._refused[type(error).__name__] += count
        if not isinstance(error, Overloaded | Unavailable | DeadlineMissed):
            return                                           # the client's mistake breaks no promise
        for _ in range(count):
            self._recent.append((time.monotonic(), None, targets.accuracy if targets else 0.0, False))

    def layers(self) -> list[dict[str, Any]]:
        """The SuperNet: of every layer its name and blocks [output, input] at most."""
        table = self._table()
        if table is None:
            return []
        largest = {x.id: [0, 0] for x in table.layers}
        for s in table.subnets:
            for layer, (ob, ib, _) in s.boxes.items():
                largest[layer] = [max(largest[layer][0], ob), max(largest[layer][1], ib)]
        return [{"id": x.id, "name": x.name, "blocks": largest[x.id], "depthwise": x.depthwise} for x in table.layers]

    def _table(self) -> LatencyTable | None:
        return next((r.table for r in self._d.replicas if r.backend is not None), None)

    def state(self) -> dict[str, Any]:
        """What the page shows now."""
        now = time.monotonic()
        recent = [x for x in self._recent if x[0] >= now - WINDOW_S]
        answers = [x[1] for x in recent if x[1] is not None]
        table = self._table()
        last = answers[-1].subnet if answers else None
        boxes = next((s.boxes for s in table.subnets if s.name == last), {}) if table else {}
        devices = []
        for r in self._d.replicas:
            known = r.backend is not None
            graph = r.table.subgraphs[r.column] if known else None
            devices.append({
                "name": r.name, "state": r.state, "reason": r.reason, "served": r.served, "faults": r.faults,
                "clock_mhz": r.backend.clock_mhz if r.backend else 0.0, "subgraph": graph.name if graph else "",
                "cached": {str(k): list(v) for k, v in graph.boxes.items()} if graph else {}})
        return {
            "queue": self._d.waiting, "pending": self._d.pending, "rate": len(answers) / WINDOW_S,
            "attainment": sum(x[3] for x in recent) / len(recent) if recent else None,
            "accuracy": sum(a.accuracy for a in answers) / len(answers) if answers else None,
            "target": sum(x[2] for x in recent) / len(recent) if recent else None,
            "latency_ms": sum(a.total_ms for a in answers) / len(answers) if answers else None,
            "subnets": dict(self._subnets), "refused": dict(self._refused), "devices": devices, "last": last,
            "used": {str(k): list(v) for k, v in boxes.items()}}

    def routes(self) -> list[Route]:
        """The page, its description of the SuperNet, and its events."""
        async def page(request: Request) -> Response:
            text = resources.files("nigiri.serving").joinpath("live.html").read_text(encoding="utf-8")
            return HTMLResponse(text, headers={"content-security-policy": CONTENT})

        async def network(request: Request) -> Response:
            return JSONResponse(self.layers())

        async def events(request: Request) -> Response:
            return StreamingResponse(self._events(request), media_type="text/event-stream",
                                     headers={"cache-control": "no-store"})
        return [Route("/", page), Route("/nigiri/network", network), Route("/nigiri/events", events)]

    async def _events(self, request: Request) -> AsyncIterator[str]:
        # An open stream would keep a server that stops from ending.
        while self._d.accepting and not await request.is_disconnected():
            yield f"data: {json.dumps(self.state())}\n\n"
            await asyncio.sleep(PERIOD_S)
