"""The server's side of split inference: a message at a cut in, the logits out.  Binds to loopback unless told."""
from __future__ import annotations

import asyncio
from typing import Any

from nigiri.compiler.graph import Network
from nigiri.runtime.errors import NigiriError
from nigiri.split.runners import Runner
from nigiri.split.wire import LIMIT, BadMessage, Message, pack, unpack

__all__ = ["PATH", "answer", "application"]

PATH = "/v1/split"


def answer(network: Network, runner: Runner, raw: bytes, limit: int = LIMIT) -> bytes:
    """The message with a SubNet's output for one at any cut of it.

    Raises
    ------
    BadMessage: see :func:`nigiri.split.wire.unpack`.  DeviceError: the runner's device failed.
    """
    message = unpack(network, raw, limit)
    count = len(network.subnet(message.subnet).layers)
    if message.at == count:
        raise BadMessage(f"nothing is left to compute behind cut {count} of SubNet {message.subnet}")
    out = runner.run(message.subnet, message.at, count, message.tensors)
    return pack(network, Message(subnet=message.subnet, at=count, tensors=out))


def application(network: Network, runner: Runner, limit: int = LIMIT) -> Any:
    """A Starlette application with POST /v1/split; one launch at a time."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    turn = asyncio.Lock()

    async def split(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                return PlainTextResponse(f"a message may have at most {limit} bytes", 413)
        try:
            async with turn:
                raw = await asyncio.to_thread(answer, network, runner, bytes(body), limit)
        except BadMessage as e:
            return PlainTextResponse(str(e), 400)
        except NigiriError as e:
            return PlainTextResponse(f"{type(e).__name__}: {e}", 503)
        return Response(raw, media_type="application/octet-stream")

    return Starlette(routes=[Route(PATH, split, methods=["POST"])])
