"""`nigiri serve-ray`: the service on a Ray cluster, one board per replica."""
from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

import typer

from nigiri.cli.extras import need
from nigiri.cli.output import say
from nigiri.runtime.errors import BadArgument

__all__ = ["serve_ray"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve_ray(bundle: Annotated[str, typer.Argument(help="Bundle that every machine has; \"demo\" is the shipped "
                                                         "one.")] = "demo",
              device: Annotated[list[str] | None, typer.Option(help="As for serve; \"4xpynq\" takes four machines with "
                                                                    "the Ray resource nigiri_board.")] = None,
              policy: Annotated[str, typer.Option(help="As for serve; cluster keeps different SubGraphs on the "
                                                       "boards.")] = "cluster",
              router: Annotated[str, typer.Option(help="locality, round-robin, least-used.")] = "locality",
              address: Annotated[str | None, typer.Option(help="Of a Ray cluster, \"auto\" for this machine's; left "
                                                               "out, Ray starts here.")] = None,
              host: Annotated[str, typer.Option(help="Address; others than loopback need a token.")] = "127.0.0.1",
              port: Annotated[int, typer.Option(min=1, max=65535, help="HTTP.")] = 8000,
              queue: Annotated[int, typer.Option(min=1, help="Images that may wait.")] = 1024,
              clock: Annotated[float | None, typer.Option(min=0.1, help="MHz, of model devices.")] = None,
              hang: Annotated[float, typer.Option(help="Seconds after which a silent device is reset.")] = 5.0) -> None:
    """Serve a bundle from boards of several machines, on Ray Serve (HTTP only).

    The environment variable NIGIRI_TOKEN holds the token that clients must send, if any.
    """
    boards, build = need("nigiri.serving.ray_boards", "ray"), need("nigiri.serving.build", "serve")
    guard = need("nigiri.serving.http", "serve").Guard(token=os.environ.get("NIGIRI_TOKEN") or None)
    if host not in LOOPBACK and guard.token is None:
        raise BadArgument(f"the service would be open to everybody on {host}: set NIGIRI_TOKEN, or listen on 127.0.0.1")
    import ray
    from ray import serve

    options = build.Options(devices=tuple(device or ["model:zcu104"]), policy=policy, router=router, limit=queue,
                            hang_s=hang, clock_mhz=clock)
    application = boards.bind(bundle, options, guard)
    # Nothing is sent home, and the dashboard, which can run anything, is not started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's workers are nice by default: beside any other work each call then takes much longer.
    os.environ.setdefault("RAY_worker_niceness", "0")
    if address:
        ray.init(address, log_to_driver=False)
    else:
        ray.init(include_dashboard=False, log_to_driver=False, num_cpus=max(2, os.cpu_count() or 2))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve.start(http_options={"host": host, "port": port})
    serve.run(application, name=boards.APPLICATION, route_prefix="/")
    say(f"ready: http://{host}:{port}")
    stop.wait()
    serve.shutdown()
    ray.shutdown()
