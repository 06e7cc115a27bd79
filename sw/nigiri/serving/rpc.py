"""The same protocol over gRPC (grpc.aio)."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np

from nigiri import __version__
from nigiri.serving import v2
from nigiri.serving.errors import BadRequest, ServingError
from nigiri.serving.http import EXTENSIONS, Guard
from nigiri.serving.messages import SERVICE, messages
from nigiri.serving.request import Targets
from nigiri.serving.service import INPUT, LABEL, LOGITS, Service

__all__ = ["serve_grpc"]

RETRY = "retry-after-ms"
"""Trailing metadata of a refusal that is worth repeating."""


def _parameters(request: Any) -> dict[str, Any]:
    return {k: getattr(v, v.WhichOneof("parameter_choice")) for k, v in request.parameters.items()
            if v.WhichOneof("parameter_choice")}


def _data(request: Any) -> np.ndarray:
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT:
        raise BadRequest(f"the request must have one input, {INPUT!r}")
    one = request.inputs[0]
    if request.raw_input_contents:
        if len(request.raw_input_contents) != 1:
            raise BadRequest(f"raw_input_contents must have one entry, not {len(request.raw_input_contents)}")
        return v2.tensor(one.datatype, list(one.shape), raw=request.raw_input_contents[0])
    return v2.tensor(one.datatype, list(one.shape), values=list(one.contents.uint_contents))


def _set(target: Any, value: Any) -> None:
    if isinstance(value, int):
        target.int64_param = value
    elif isinstance(value, float):
        target.double_param = value
    else:
        target.string_param = str(value)


class Handlers:
    """One coroutine for each method."""

    def __init__(self, service: Service, guard: Guard) -> None:
        self._service, self._guard, self._m = service, guard, messages()

    def guarded(self, handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def body(request: Any, context: Any) -> Any:
            try:
                sent = dict(context.invocation_metadata())
                self._guard.authorise(sent.get("authorization"))
                self._guard.admit(context.peer().rpartition(":")[0])
                return await (handler(request) if handler != self.infer else
                              self.infer(request, sent.get("traceparent")))
            except ServingError as error:
                if error.retry_after_s is not None:
                    context.set_trailing_metadata(((RETRY, f"{1e3 * error.retry_after_s:.1f}"),))
                await context.abort(getattr(grpc.StatusCode, error.grpc), str(error))
        return body

    async def live(self, request: Any) -> Any:
        return self._m["ServerLiveResponse"](live=True)

    async def ready(self, request: Any) -> Any:
        return self._m["ServerReadyResponse"](ready=self._service.ready())

    async def model_ready(self, request: Any) -> Any:
        self._service.check(request.name, request.version)
        return self._m["ModelReadyResponse"](ready=self._service.ready())

    async def metadata(self, request: Any) -> Any:
        return self._m["ServerMetadataResponse"](name="nigiri", version=__version__, extensions=EXTENSIONS)

    async def model(self, request: Any) -> Any:
        return self._m["ModelMetadataResponse"](**self._service.check(request.name, request.version).metadata())

    async def infer(self, request: Any, trace: str | None = None) -> Any:
        found = self._service.check(request.model_name, request.model_version)
        wanted = [x.name for x in request.outputs] or [LOGITS, LABEL]
        if strange := set(wanted) - {LOGITS, LABEL}:
            raise BadRequest(f"there is no output {min(strange)!r:.80}: choose of {LOGITS!r} and {LABEL!r}")
        answers = await self._service.infer(_data(request), Targets.read(_parameters(request), trace))
        tensors = found.tensors(answers)
        names = {v: k for k, v in v2.TYPES.items()}
        response = self._m["ModelInferResponse"](
            model_name=found.name, model_version=found.version, id=request.id[:v2.IDENTITY],
            outputs=[{"name": n, "datatype": names[tensors[n].dtype], "shape": tensors[n].shape} for n in wanted],
            raw_output_contents=[tensors[n].tobytes() for n in wanted])
        for key, value in v2.merged([a.parameters() for a in answers]).items():
            _set(response.parameters[key], value)
        return response


def _open(handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    """For everybody: health."""
    async def body(request: Any, context: Any) -> Any:
        return await handler(request)
    return body


async def serve_grpc(service: Service, address: str, guard: Guard | None = None,
                     credentials: grpc.ServerCredentials | None = None) -> tuple[grpc.aio.Server, int]:
    """Start to listen; returns the server and its port."""
    gate, m = guard or Guard(), messages()
    handlers = Handlers(service, gate)
    methods = {"ServerLive": handlers.live, "ServerReady": handlers.ready, "ModelReady": handlers.model_ready,
               "ServerMetadata": handlers.metadata, "ModelMetadata": handlers.model, "ModelInfer": handlers.infer}
    table = {}
    for name, handler in methods.items():
        table[name] = grpc.unary_unary_rpc_method_handler(
            _open(handler) if name in ("ServerLive", "ServerReady") else handlers.guarded(handler),
            request_deserializer=m[f"{name}Request"].FromString,
            response_serializer=m[f"{name}Response"].SerializeToString)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", gate.most_bytes),
                                      ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, table),))
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    return server, int(port)
