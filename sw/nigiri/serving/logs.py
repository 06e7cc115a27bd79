"""Structured logs (structlog, JSON lines) and OpenTelemetry spans of what happens."""
from __future__ import annotations

import sys
import time
from typing import TextIO

import structlog
from opentelemetry.trace import Tracer, set_span_in_context

from nigiri.serving.errors import ServingError
from nigiri.serving.observer import Observer
from nigiri.serving.replica import Replica
from nigiri.serving.request import Answer, Targets

__all__ = ["Logs", "Spans"]


class Logs(Observer):
    """One line for each event; answers only when `answers` is set."""

    def __init__(self, file: TextIO | None = None, *, answers: bool = False) -> None:
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(file or sys.stderr),
            processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso"),
                        structlog.processors.JSONRenderer()])
        self._answers = answers

    def event(self, name: str, **values: object) -> None:
        """Any event."""
        self._log.info(name, **values)

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        self._log.info("refused", images=count, reason=type(error).__name__, message=str(error))

    def answered(self, answer: Answer, targets: Targets) -> None:
        if self._answers:
            self._log.info("answered", **answer.parameters())

    def loaded(self, replica: Replica, column: int) -> None:
        self._log.info("cache", device=replica.name, subgraph=replica.table.subgraphs[column].name)

    def fault(self, replica: Replica, reason: str) -> None:
        self._log.error("fault", device=replica.name, message=reason)

    def recovered(self, replica: Replica) -> None:
        self._log.info("recovered", device=replica.name)

    def clock(self, replica: Replica, mhz: float) -> None:
        self._log.info("clock", device=replica.name, mhz=round(mhz, 3))


class Spans(Observer):
    """A span for each image with children for queue and device, made when the answer is known: times are exact, and
    nothing is on the path of a query before that."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def answered(self, answer: Answer, targets: Targets) -> None:
        end = time.time_ns()
        start = end - int(1e6 * answer.total_ms)
        launch = start + int(1e6 * answer.queue_ms)
        span = self._tracer.start_span("infer", start_time=start, attributes=answer.parameters())
        inside = set_span_in_context(span)
        self._tracer.start_span("queue", context=inside, start_time=start).end(launch)
        self._tracer.start_span("device", context=inside, start_time=launch).end(end)
        span.end(end)
