"""`nigiri serve`: the network service."""
from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import say

__all__ = ["serve"]

TOKEN = "NIGIRI_TOKEN"


def serve(bundle: Annotated[str, typer.Argument(help="Bundle to serve; \"demo\" is the shipped one.")] = "demo",
          device: Annotated[list[str] | None, typer.Option(help="model:CONFIG (the cycle model's clock, the golden "
                            "model's answers), pynq, sim:BOARD, rtl:CONFIG, golden:CONFIG; 4xmodel:CONFIG for four; "
                            "may be repeated.")] = None,
          policy: Annotated[str, typer.Option(help="sushi, sushi-vector, sushi-latency, fixed, none, slackfit, "
                                                   "drainfit, maxacc, maxbatch, cluster, clipper:SUBNET.")] = "sushi",
          router: Annotated[str, typer.Option(help="Among several devices: locality, round-robin, "
                                                   "least-used.")] = "locality",
          host: Annotated[str, typer.Option(help="Address; others than loopback need a token.")] = "127.0.0.1",
          port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP; 0 takes a free one.")] = 8000,
          grpc_port: Annotated[int, typer.Option(min=-1, max=65535, help="gRPC; -1 for none.")] = 8001,
          queue: Annotated[int, typer.Option(min=1, help="Images that may wait.")] = 1024,
          batches: Annotated[bool, typer.Option(help="Launches of up to 16 images.")] = False,
          check: Annotated[float, typer.Option(min=0, max=1, help="Share of launches whose answers are compared with "
                                                                  "the golden model.")] = 0.0,
          govern: Annotated[bool, typer.Option(help="Lower the clock while deadlines are met.")] = False,
          rate: Annotated[float, typer.Option(min=0, help="Requests a second from one client; 0 for any.")] = 0.0,
          most_bytes: Annotated[int, typer.Option(min=1024, help="Of a request.")] = 1 << 20,
          hang: Annotated[float, typer.Option(help="Seconds after which a silent device is reset.")] = 5.0,
          clock: Annotated[float | None, typer.Option(min=0.1, help="MHz, of model devices.")] = None,
          certificate: Annotated[Path | None, typer.Option(help="TLS certificate, PEM.")] = None,
          key: Annotated[Path | None, typer.Option(help="TLS key, PEM.")] = None,
          bundles: Annotated[Path | None, typer.Option(help="Folder from which bundles may be loaded while it "
                                                            "runs.")] = None,
          traces: Annotated[str | None, typer.Option(help="OpenTelemetry spans: a file, or \"otlp\" for where the "
                                                          "OTEL_EXPORTER_OTLP_* variables say.")] = None,
          log_answers: Annotated[bool, typer.Option(help="A log line for each answer.")] = False) -> None:
    """Serve a bundle over HTTP and gRPC (Open Inference Protocol), with a live page.

    The environment variable NIGIRI_TOKEN holds the token that clients must send, if any.
    """
    server, build = need("nigiri.serving.server", "serve"), need("nigiri.serving.build", "serve")
    http, limits = need("nigiri.serving.http", "serve"), need("nigiri.serving.limits", "serve")
    logs = need("nigiri.serving.logs", "serve").Logs(answers=log_answers)
    if traces == "otlp":
        need("opentelemetry.exporter.otlp.proto.http.trace_exporter", "otlp")
    spans, flush = (None, None) if traces is None else need("nigiri.serving.tracing", "serve").tracing(traces)
    guard = http.Guard(token=os.environ.get(TOKEN) or None, most_bytes=most_bytes,
                       rate=limits.RateLimit(rate) if rate else None)
    settings = server.Settings(host=host, port=port, grpc_port=None if grpc_port < 0 else grpc_port, guard=guard,
                               certificate=certificate, key=key, bundles=bundles, govern=govern)
    options = build.Options(devices=tuple(device or ["model:zcu104"]), policy=policy, router=router, limit=queue,
                            batches=batches, check=check, hang_s=hang, clock_mhz=clock)
    running = server.Server(build.open_bundle(bundle), options, settings, observers=(logs, spans) if spans else (logs,),
                            say=say)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, running.stop)
        scheme = "https" if certificate else "http"
        await running.run(lambda: say(f"ready: {scheme}://{host}:{running.port} (gRPC {running.grpc_port})"))
    need("uvloop", "serve").install()
    try:
        asyncio.run(main())
    finally:
        if flush:
            flush()
