"""HTTP: the protocol's addresses, health, and what operators need, as a Starlette application."""
from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from nigiri import __version__
from nigiri.serving import v2
from nigiri.serving.errors import NotAuthorised, Overloaded, ServingError, TooLarge
from nigiri.serving.limits import RateLimit
from nigiri.serving.request import Targets
from nigiri.serving.service import Service

__all__ = ["Guard", "application"]

EXTENSIONS = ["binary_tensor_data", "parameters"]
COOKIE = "nigiri_token"


@dataclass
class Guard:
    """What a request has to pass: token, size, rate.

    token: None lets everybody in.  most_bytes: of a body.
    """

    token: str | None = None
    most_bytes: int = 1 << 20
    rate: RateLimit | None = None

    def authorise(self, header: str | None) -> None:
        """Raises NotAuthorised."""
        if self.token is None:
            return
        given = (header or "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, self.token.encode()):
            raise NotAuthorised("this server wants a token: send it as 'Authorization: Bearer TOKEN'")

    def admit(self, client: str) -> None:
        """Raises Overloaded."""
        if self.rate and (wait := self.rate.take(client)) > 0:
            raise Overloaded(f"more than {self.rate.per_s:g} requests a second from one client: slow down", wait)


async def _body(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise TooLarge(f"a request may have {most} bytes, not {length}")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLarge(f"a request may have {most} bytes, not more")
        parts.append(part)
    return b"".join(parts)


def _failed(error: ServingError) -> Response:
    headers = {}
    if error.retry_after_s is not None:
        headers = {"retry-after": str(max(1, round(error.retry_after_s + 0.5))),
                   "retry-after-ms": f"{1e3 * error.retry_after_s:.1f}"}
    if error.http == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": str(error)}, error.http, headers)


def application(service: Service, guard: Guard | None = None, *, more: list[Route] | None = None,
                reload: Callable[[str], Awaitable[dict[str, Any]]] | None = None) -> Starlette:
    """The application.

    more: routes beside the protocol's.
    reload: changes the bundle to the file of that name; None offers no such address.
    """
    gate = guard or Guard()

    def guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def body(request: Request) -> Response:
            try:
                gate.authorise(request.headers.get("authorization"))
                gate.admit(request.client.host if request.client else "")
                return await handler(request)
            except ServingError as error:
                return _failed(error)
        return body

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        return JSONResponse({"ready": service.ready()}, 200 if service.ready() else 503)

    async def metadata(request: Request) -> Response:
        return JSONResponse({"name": "nigiri", "version": __version__, "extensions": EXTENSIONS})

    async def model(request: Request) -> Response:
        found = service.check(request.path_params["model"], request.path_params.get("version", ""))
        return JSONResponse(found.metadata())

    async def model_ready(request: Request) -> Response:
        found = service.check(request.path_params["model"], request.path_params.get("version", ""))
        good = service.ready()
        return JSONResponse({"name": found.name, "ready": good}, 200 if good else 503)

    async def infer(request: Request) -> Response:
        found = service.check(request.path_params["model"], request.path_params.get("version", ""))
        wanted = v2.parse(await _body(request, gate.most_bytes), request.headers.get(v2.HEADER))
        answers = await service.infer(wanted.data, Targets.read(wanted.parameters, request.headers.get("traceparent")))
        parameters = v2.merged([a.parameters() for a in answers])
        body, split = v2.encode(found.name, found.version, wanted, found.tensors(answers), parameters)
        if split is None:
            return Response(body, media_type="application/json")
        return Response(body, media_type="application/octet-stream", headers={v2.HEADER: str(split)})

    async def change(request: Request) -> Response:
        assert reload is not None
        try:
            name = json.loads(await _body(request, 4096))["bundle"]
        except (ValueError, KeyError, TypeError):
            name = None
        if not isinstance(name, str):
            return JSONResponse({"error": 'send {"bundle": "name"}, a bundle of the server\'s folder'}, 400)
        return JSONResponse(await reload(name))

    routes: list[BaseRoute] = [
        Route("/v2/health/live", live), Route("/v2/health/ready", ready), Route("/v2", guarded(metadata)),
        Route("/v2/", guarded(metadata))]
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [Route(path, guarded(model)), Route(f"{path}/ready", guarded(model_ready)),
                   Route(f"{path}/infer", guarded(infer), methods=["POST"])]
    if reload:
        routes.append(Route("/nigiri/reload", guarded(change), methods=["POST"]))
    return Starlette(routes=[*routes, *(_for_browsers(r, gate) for r in more or [])])


def _for_browsers(route: Route, gate: Guard) -> Route:
    """A browser cannot send the header with every request: it gives the token once, as ?token=, and keeps a cookie."""
    async def body(request: Request) -> Response:
        token = request.query_params.get("token")
        try:
            gate.authorise(request.headers.get("authorization") or token or request.cookies.get(COOKIE))
            response: Response = await route.endpoint(request)
        except ServingError as error:
            return _failed(error)
        if token is not None and gate.token is not None:
            response.set_cookie(COOKIE, gate.token, httponly=True, samesite="strict",
                                secure=request.url.scheme == "https")
        return response
    return Route(route.path, body)
