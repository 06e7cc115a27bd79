"""The running server: protocols, observers, governor, change of bundle, and an end that answers what was accepted."""
from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nigiri.bundle import Bundle, BundleError
from nigiri.runtime.errors import BadArgument
from nigiri.serving.build import Options, build, factories, open_bundle, parse_devices
from nigiri.serving.errors import BadRequest
from nigiri.serving.governor import Governor
from nigiri.serving.http import Guard, application
from nigiri.serving.live import Live
from nigiri.serving.metrics import Metrics
from nigiri.serving.observer import Observer, Observers
from nigiri.serving.service import Model, Service

__all__ = ["Server", "Settings"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How it listens; see `nigiri serve --help`.

    grpc_port: None offers no gRPC.  bundles: folder from which a bundle may be loaded while it runs; None forbids that.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int | None = 8001
    guard: Guard = field(default_factory=Guard)
    certificate: Path | None = None
    key: Path | None = None
    bundles: Path | None = None
    govern: bool = False
    drain_s: float = 30.0

    def check(self) -> None:
        """Raises BadArgument for what is not safe or makes no sense."""
        if self.host not in LOOPBACK and self.guard.token is None:
            raise BadArgument(f"the server would be open to everybody on {self.host}: set a token, or listen on "
                              "127.0.0.1")
        if self.guard.token is not None and len(self.guard.token) < TOKEN_BYTES:
            raise BadArgument(f"the token must have at least {TOKEN_BYTES} characters")
        if (self.certificate is None) != (self.key is None):
            raise BadArgument("TLS needs both a certificate and its key")
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise BadArgument(f"there is no file {path}: give the certificate and key in PEM format")
        if self.certificate is not None and self.key is not None:
            try:
                ssl.create_default_context().load_cert_chain(self.certificate, self.key)
            except ssl.SSLError as error:
                raise BadArgument(f"the certificate and key do not fit: {error.reason or error}: give a pair in PEM "
                                  "format") from error


class Server:
    """Everything around a service.

    observers: told what happens, beside metrics and the live page.
    """

    def __init__(self, loaded: Bundle, options: Options, settings: Settings, *, observers: tuple[Observer, ...] = (),
                 say: Callable[[str], None] = lambda text: None) -> None:
        settings.check()
        self.options, self.settings, self._say = options, settings, say
        self.metrics, self.governor = Metrics(), Governor()
        seen = Observers(self.metrics, *observers)
        self.service: Service = build(loaded, options, seen, say=say)
        self.live = Live(self.service.dispatcher)
        seen.all += [self.live] + ([self.governor] if settings.govern else [])
        self.metrics.attach(self.service.dispatcher)
        self.port, self.grpc_port = settings.port, settings.grpc_port
        self._version = 1
        self._stop: asyncio.Event | None = None
        self.started = False

    async def _metrics(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def reload(self, name: str) -> dict[str, Any]:
        """Change to the bundle of that name in the folder; raises BadRequest, Unavailable."""
        folder = self.settings.bundles
        path = (folder / name).resolve() if folder else None
        if folder is None or path is None or path.parent != folder.resolve() or not path.is_file():
            raise BadRequest(f"there is no bundle {name!r:.80} in the server's folder")
        try:
            loaded = await asyncio.to_thread(open_bundle, str(path))
        except BundleError as error:
            raise BadRequest(str(error)) from error
        made, _ = await asyncio.to_thread(factories, parse_devices(self.options.devices), loaded, self.options)
        self._version += 1
        await self.service.reload(Model.of(loaded, str(self._version)), made)
        return self.service.model.metadata()

    def application(self) -> Any:
        """The HTTP application, without a server around it."""
        more = [Route("/metrics", self._metrics), *self.live.routes()]
        return application(self.service, self.settings.guard, more=more,
                           reload=self.reload if self.settings.bundles else None)

    def stop(self) -> None:
        """Begin to end: refuse what comes, answer what was accepted."""
        if self._stop is not None:
            self._stop.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until :meth:`stop` or a signal that the caller turns into it; `ready` is called when it listens."""
        from nigiri.serving.rpc import serve_grpc

        s = self.settings
        self._stop = asyncio.Event()
        await self.service.dispatcher.start()
        config = uvicorn.Config(self.application(), host=s.host, port=s.port, log_level="warning", access_log=False,
                                lifespan="off", timeout_graceful_shutdown=max(1, round(s.drain_s)),
                                ssl_certfile=s.certificate, ssl_keyfile=s.key,
                                server_header=False, timeout_keep_alive=30, h11_max_incomplete_event_size=16384)
        http = _Quiet(config)
        rpc = None
        if s.grpc_port is not None:
            rpc, self.grpc_port = await serve_grpc(self.service, f"{s.host}:{s.grpc_port}", s.guard, _credentials(s))
        serving = asyncio.create_task(http.serve())
        governing = asyncio.create_task(self.governor.run(self.service.dispatcher)) if s.govern else None
        try:
            while not http.started and not serving.done():
                await asyncio.sleep(0.005)
            if serving.done():
                raise BadArgument(f"nothing can listen on {s.host}:{s.port}: is another server there?")
            self.port = http.servers[0].sockets[0].getsockname()[1]
            self.started = True
            ready()
            await self._stop.wait()
        finally:
            self.started = False
            if governing:
                governing.cancel()
            await self.service.dispatcher.drain(s.drain_s)
            http.should_exit = True
            if rpc is not None:
                await rpc.stop(1.0)
            with contextlib.suppress(asyncio.CancelledError, SystemExit):
                await serving
            await self.service.dispatcher.close()


class _Quiet(uvicorn.Server):
    """Leaves signals to the caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _credentials(s: Settings) -> Any:
    if s.certificate is None or s.key is None:
        return None
    import grpc

    return grpc.ssl_server_credentials([(s.key.read_bytes(), s.certificate.read_bytes())])


