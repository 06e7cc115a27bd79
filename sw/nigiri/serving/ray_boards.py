"""Boards of several machines behind one service: a Ray Serve deployment that schedules, and an actor for each board.

The router is the same dispatcher as in `nigiri serve`; its devices are calls to actors.  Ray starts an actor again when
its process or its machine is gone, and the dispatcher takes it back when it answers.  (Boards are actors and no
deployments of their own because a call of a Serve handle costs the router several times as much as one of an actor.)
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from nigiri.runtime.errors import DeviceError
from nigiri.sched.routing import get_router
from nigiri.sched.table import LatencyTable
from nigiri.serving.backend import Backend, Launched
from nigiri.serving.build import Options, factories, get_policy, open_bundle, parse_devices
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.http import Guard, application
from nigiri.serving.live import Live
from nigiri.serving.metrics import Metrics
from nigiri.serving.observer import Observers
from nigiri.serving.replica import Replica
from nigiri.serving.service import Model, Service

__all__ = ["APPLICATION", "Board", "RemoteBackend", "Router", "bind", "resources"]

APPLICATION = "nigiri"
RESOURCE = "nigiri_board"
"""Custom Ray resource of machines with a board: `ray start --resources '{"nigiri_board": 1}'`."""


class Board:
    """One device, in a process of its own, on whichever machine has it."""

    def __init__(self, device: str, bundle: str, options: Options) -> None:
        made, _ = factories([device], open_bundle(bundle), options)
        self._make: Callable[[], Backend] = made[0]
        self._backend: Backend | None = None

    def open(self) -> tuple[LatencyTable, float, float]:
        """Open the device, or open it again; its table, clock and highest clock."""
        self.close()
        self._backend = self._make()
        return self._backend.table, self._backend.clock_mhz, self._backend.top_mhz

    def _opened(self) -> Backend:
        if self._backend is None:
            raise DeviceError("the board's process has started again: open the device first")
        return self._backend

    def load(self, column: int) -> None:
        self._opened().load(column)

    def run(self, row: int, images: Sequence[np.ndarray], wait: bool) -> Launched:
        return self._opened().run(row, images, wait)

    def set_clock(self, mhz: float) -> float:
        return self._opened().set_clock(mhz)

    def close(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()


class RemoteBackend:
    """A :class:`Board` somewhere, as a backend; calls block until it answers, or raise what it raised."""

    def __init__(self, board: Any, timeout_s: float) -> None:
        self._board, self._timeout_s = board, timeout_s
        self.table: LatencyTable
        self.table, self.clock_mhz, self.top_mhz = self._call("open", timeout_s=600.0)

    def _call(self, name: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        try:
            return ray.get(getattr(self._board, name).remote(*arguments), timeout=timeout_s or self._timeout_s)
        except DeviceError:
            raise
        except Exception as error:  # Ray has many for a process, a machine or a connection that is gone
            raise DeviceError(f"the board does not answer: {str(error).strip().splitlines()[-1]:.200}") from error

    def load(self, column: int) -> None:
        self._call("load", column)

    def run(self, row: int, images: Sequence[np.ndarray], wait: bool) -> Launched:
        launched: Launched = self._call("run", row, np.stack(images), wait)
        return launched

    def set_clock(self, mhz: float) -> float:
        self.clock_mhz = float(self._call("set_clock", mhz))
        return self.clock_mhz

    def close(self) -> None:
        self._call("close")


class Router:
    """The protocol's HTTP addresses, the live page and the metrics, in front of a dispatcher over all boards."""

    async def __init__(self, bundle: str, options: Options, guard: Guard) -> None:  # type: ignore[misc]
        # Serve awaits it: the application is ready when the boards are.
        loaded, names = open_bundle(bundle), parse_devices(options.devices)
        policy = get_policy(options.policy, len(names))
        actor = ray.remote(Board)
        self._boards = [actor.options(max_restarts=-1, **resources(name)).remote(name, bundle, options)
                        for name in names]
        replicas = [Replica(f"{name}#{n}", partial(RemoteBackend, board, options.hang_s), policy(),
                            hang_s=options.hang_s) for n, (name, board) in enumerate(zip(names, self._boards,
                                                                                         strict=True))]
        metrics = Metrics()
        seen = Observers(metrics)
        self._dispatcher = Dispatcher(replicas, limit=options.limit, router=get_router(options.router), observer=seen,
                                      seed=options.seed)
        live = Live(self._dispatcher)
        seen.all.append(live)
        metrics.attach(self._dispatcher)

        async def text(request: Request) -> Response:
            return Response(metrics.text(), media_type="text/plain; version=0.0.4")
        self._application = application(Service(Model.of(loaded), self._dispatcher), guard,
                                        more=[Route("/metrics", text), *live.routes()])
        await self._dispatcher.start()

    async def __call__(self, request: Request) -> Response:
        return await _forward(self._application, request)


async def _forward(inner: Any, request: Request) -> Response:
    """What an ASGI application answers, as it comes."""
    messages: asyncio.Queue[Any] = asyncio.Queue()

    async def body() -> None:
        try:
            await inner(request.scope, request.receive, messages.put)
        finally:
            await messages.put(None)
    task = asyncio.create_task(body())
    start = await messages.get()
    if start is None:
        await task
        raise RuntimeError("the application ended without an answer")
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in start.get("headers", ())}
    first = await messages.get()
    if first is not None and not first.get("more_body"):
        await task
        return Response(first.get("body", b""), start["status"], headers)

    async def rest() -> AsyncIterator[bytes]:
        message = first
        try:
            while message is not None:
                yield message.get("body", b"")
                message = await messages.get()
        finally:
            task.cancel()
    return StreamingResponse(rest(), start["status"], headers)


def resources(device: str) -> dict[str, Any]:
    """What Ray must find on the machine of a device: a board for "pynq", nothing for simulated ones."""
    return {"num_cpus": 0, "resources": {RESOURCE: 1}} if device == "pynq" else {"num_cpus": 0}


def bind(bundle: str, options: Options, guard: Guard | None = None) -> Any:
    """The Ray Serve application: give it to `serve.run`, or name a module that calls this in a Serve configuration.

    bundle: "demo", or the path of a bundle that every machine has.

    Raises
    ------
    BadArgument: no such policy, router or device.
    """
    get_policy(options.policy, len(parse_devices(options.devices)))
    get_router(options.router)
    router = serve.deployment(Router, name="router", num_replicas=1, max_ongoing_requests=options.limit,
                              ray_actor_options={"num_cpus": 0})
    return router.bind(bundle, options, guard or Guard())
