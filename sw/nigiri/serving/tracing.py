"""OpenTelemetry spans: one for each image, inside its caller's, with the parts spent in the queue and on the device."""
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nigiri import __version__
from nigiri.runtime.errors import BadArgument
from nigiri.serving.errors import ServingError
from nigiri.serving.observer import Observer
from nigiri.serving.request import Answer, Targets

__all__ = ["Spans", "tracing"]

OTLP = "otlp"


class Spans(Observer):
    """Spans are made when the answer is known: their times are exact, and nothing is on the path of a query before."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer, self._context = tracer, TraceContextTextMapPropagator()

    def _outside(self, targets: Targets | None) -> Any:
        return self._context.extract({"traceparent": targets.trace}) if targets and targets.trace else None

    def answered(self, answer: Answer, targets: Targets) -> None:
        end = time.time_ns()
        start = end - int(1e6 * answer.total_ms)
        launch = start + int(1e6 * answer.queue_ms)
        span = self._tracer.start_span("infer", self._outside(targets), start_time=start,
                                       attributes=answer.parameters())
        inside = set_span_in_context(span)
        self._tracer.start_span("queue", inside, start_time=start).end(launch)
        self._tracer.start_span("device", inside, start_time=launch).end(end)
        span.end(end)

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        span = self._tracer.start_span("refused", self._outside(targets), attributes={"images": count})
        span.set_status(Status(StatusCode.ERROR, str(error)))
        span.end()


def tracing(target: str) -> tuple[Spans, Callable[[], None]]:
    """Spans to "otlp" (where the OTEL_EXPORTER_OTLP_* variables say) or into a file, a JSON document each; and what
    writes out the last ones.

    Raises
    ------
    BadArgument: a file that cannot be written.  ModuleNotFoundError: the OTLP exporter is not installed.
    """
    exporter: SpanExporter
    if target == OTLP:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    else:
        try:
            file = Path(target).open("a", encoding="utf-8")
        except OSError as error:
            raise BadArgument(f"traces cannot be written to {target} ({error.strerror}): name another file, or "
                              f"{OTLP!r}") from error
        exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider(resource=Resource.create({"service.name": "nigiri"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Spans(provider.get_tracer("nigiri", __version__)), provider.shutdown
