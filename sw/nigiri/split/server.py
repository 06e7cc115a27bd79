"""The server's side of split inference: a message at a cut in, the logits out."""
from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any

from nigiri.compiler.graph import Network
from nigiri.runtime.errors import NigiriError
from nigiri.split.link import PATH
from nigiri.split.runners import Runner
from nigiri.split.wire import LIMIT, BadMessage, Message, WrongNetwork, digest, pack, unpack

__all__ = ["answer", "application"]

BODY_S = 30.0
"""A message must have arrived after so long."""
MOST = 16
"""Messages at once; each may hold `limit` bytes."""


def answer(network: Network, runner: Runner, raw: bytes, limit: int = LIMIT, *, began: float | None = None,
           clock: Callable[[], float] = time.perf_counter) -> bytes:
    """The message with a SubNet's output for one at any cut of it.

    began: when the message arrived, by the clock; now unless given.

    Raises
    ------
    BadMessage: see :func:`nigiri.split.wire.unpack`.  DeviceError: the runner's device failed.
    """
    start = clock() if began is None else began
    message = unpack(network, raw, limit)
    count = len(network.subnet(message.subnet).layers)
    if message.at == count:
        raise BadMessage(f"nothing is left to compute behind cut {count} of SubNet {message.subnet}")
    out = runner.run(message.subnet, message.at, count, message.tensors)
    return pack(network, Message(subnet=message.subnet, at=count, tensors=out, ms=1e3 * (clock() - start)))


def application(network: Network, runner: Runner, limit: int = LIMIT, *, token: str | None = None,
                most: int = MOST) -> Any:
    """A Starlette application with POST /v1/split, and GET for what it serves; one launch at a time.

    token: what clients must send as "Authorization: Bearer TOKEN"; None lets everybody in.  most: messages at once.
    """
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    turn, inside = asyncio.Lock(), [0]

    def stranger(request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return token is not None and not hmac.compare_digest(given.encode(), token.encode())

    async def read(request: Request) -> bytes | None:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                return None
        return bytes(body)

    async def work(request: Request) -> Response:
        try:
            body = await asyncio.wait_for(read(request), BODY_S)
        except asyncio.TimeoutError:
            return PlainTextResponse(f"the message did not arrive in {BODY_S:g} s", 408)
        if body is None:
            return PlainTextResponse(f"a message may have at most {limit} bytes", 413)
        began = time.perf_counter()
        try:
            async with turn:
                raw = await asyncio.to_thread(answer, network, runner, body, limit, began=began)
        except WrongNetwork as e:
            return PlainTextResponse(str(e), 409)
        except BadMessage as e:
            return PlainTextResponse(str(e), 400)
        except NigiriError as e:
            return PlainTextResponse(f"{type(e).__name__}: {e}", 503)
        return Response(raw, media_type="application/octet-stream")

    async def split(request: Request) -> Response:
        if stranger(request):
            return PlainTextResponse("this server wants a token: send it as 'Authorization: Bearer TOKEN'", 401)
        if request.method != "POST":
            return JSONResponse({"network": network.name, "digest": digest(network), "limit": limit})
        if inside[0] >= most:
            return PlainTextResponse(f"{most} messages are in work: try again later", 503)
        inside[0] += 1
        try:
            return await work(request)
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            inside[0] -= 1

    return Starlette(routes=[Route(PATH, split, methods=["GET", "POST"])])
