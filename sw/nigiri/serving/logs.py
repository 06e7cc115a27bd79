"""Structured logs (structlog, JSON lines) of what happens."""
from __future__ import annotations

import sys
from typing import TextIO

import structlog

from nigiri.serving.errors import ServingError
from nigiri.serving.observer import Observer
from nigiri.serving.replica import Replica
from nigiri.serving.request import Answer, Targets

__all__ = ["Logs"]


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
