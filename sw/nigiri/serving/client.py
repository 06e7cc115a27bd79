"""A client in Python: the Open Inference Protocol over HTTP with binary tensors, and Nigiri's parameters by name."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp
import numpy as np

from nigiri.sched.query import Goal
from nigiri.serving import errors
from nigiri.serving.v2 import HEADER, TYPES

__all__ = ["Client", "Result"]

BY_STATUS: dict[int, type[errors.ServingError]] = {
    e.http: e for e in (errors.BadRequest, errors.NotAuthorised, errors.UnknownModel, errors.TooLarge,
                        errors.Unattainable, errors.Overloaded, errors.Unavailable, errors.DeadlineMissed)}


@dataclass(frozen=True, kw_only=True)
class Result:
    """Answers to a request: labels int64 [n], logits int8 [n, classes], and the response's parameters."""

    labels: np.ndarray
    logits: np.ndarray
    parameters: dict[str, Any]

    @property
    def subnet(self) -> str:
        """Which SubNet answered."""
        return str(self.parameters["subnet"])


class Client:
    """Asks one server; use it as an asynchronous context manager.

    Parameters
    ----------
    url: "http://127.0.0.1:8000".  model: its name.
    connections: at once.
    """

    def __init__(self, url: str, model: str = "nigiri-cifar", *, token: str | None = None, connections: int = 100,
                 timeout_s: float = 60.0) -> None:
        self._path = f"{url.rstrip('/')}/v2/models/{model}/infer"
        self._url, self._model = url.rstrip("/"), model
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._connections, self._timeout = connections, aiohttp.ClientTimeout(timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=self._connections),
                                              timeout=self._timeout, headers=self._headers)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        if self._session:
            await self._session.close()

    async def ready(self) -> bool:
        """Whether the server answers queries now."""
        assert self._session is not None
        try:
            async with self._session.get(f"{self._url}/v2/health/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def metadata(self) -> dict[str, Any]:
        """Of the model: its inputs and outputs."""
        assert self._session is not None
        async with self._session.get(self._path.removesuffix("/infer")) as response:
            found: dict[str, Any] = json.loads(await self._checked(response))
            return found

    async def infer(self, images: np.ndarray | Sequence[np.ndarray], *, accuracy: float | None = None,
                    latency_ms: float | None = None, deadline_ms: float | None = None, goal: Goal | None = None,
                    subnet: str | None = None) -> Result:
        """Classify images, uint8 [n, height, width, channels]; targets as in :class:`nigiri.serving.Targets`.

        Raises the server's refusal as its ServingError; Unavailable where no server listens.
        """
        assert self._session is not None
        data = np.ascontiguousarray(images, dtype=np.uint8)
        given = {"accuracy": accuracy, "latency_ms": latency_ms, "deadline_ms": deadline_ms, "goal": goal,
                 "subnet": subnet}
        head = json.dumps({
            "parameters": {k: v for k, v in given.items() if v is not None} | {"binary_data_output": True},
            "inputs": [{"name": "image", "datatype": "UINT8", "shape": list(data.shape),
                        "parameters": {"binary_data_size": data.nbytes}}]}, separators=(",", ":")).encode()
        try:
            async with self._session.post(self._path, data=head + data.tobytes(),
                                          headers={HEADER: str(len(head))}) as response:
                raw = await self._checked(response)
                return self._result(raw, int(response.headers[HEADER]))
        except aiohttp.ClientConnectionError as error:
            raise errors.Unavailable(f"no server answers at {self._url} ({error}): is it running?", 1.0) from error

    @staticmethod
    async def _checked(response: aiohttp.ClientResponse) -> bytes:
        raw = await response.read()
        if response.status == 200:
            return raw
        try:
            text = str(json.loads(raw)["error"])
        except (ValueError, KeyError, TypeError):
            text = f"the server answered with status {response.status}"
        wait = response.headers.get("retry-after-ms")
        raise BY_STATUS.get(response.status, errors.ServingError)(text, float(wait) / 1e3 if wait else None)

    @staticmethod
    def _result(raw: bytes, split: int) -> Result:
        d = json.loads(raw[:split])
        arrays, at = {}, split
        for x in d["outputs"]:
            size = x["parameters"]["binary_data_size"]
            arrays[x["name"]] = np.frombuffer(raw[at:at + size], TYPES[x["datatype"]]).reshape(x["shape"])
            at += size
        return Result(labels=arrays["label"], logits=arrays["logits"], parameters=d["parameters"])
