"""The Open Inference Protocol, version 2, over HTTP: JSON with optional binary tensors.

Source: the protocol of KServe (open-inference-protocol) with its extension for binary tensor data.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nigiri.serving.errors import BadRequest, TooLarge
from nigiri.serving.service import INPUT, LABEL, LOGITS

__all__ = ["HEADER", "TYPES", "Request", "encode", "parse", "tensor"]

HEADER = "inference-header-content-length"
"""Of a body that has binary tensors: bytes of its JSON part."""
TYPES: dict[str, np.dtype[Any]] = {
         "UINT8": np.dtype(np.uint8), "INT8": np.dtype(np.int8), "INT16": np.dtype("<i2"), "INT32": np.dtype("<i4"),
         "INT64": np.dtype("<i8"), "UINT16": np.dtype("<u2"), "UINT32": np.dtype("<u4"), "FP32": np.dtype("<f4")}
DEPTH = 16
AXES = 8
LARGEST = 1 << 24
"""Most elements of a tensor."""
IDENTITY = 256
"""Longest request id."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """An inference request: the input tensor, parameters, wanted outputs and whether each is binary."""

    data: np.ndarray
    parameters: dict[str, Any]
    outputs: dict[str, bool]
    identity: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be an object")
    return value


def parse(body: bytes, header_length: str | None) -> Request:
    """A request's body.

    header_length: of the header :data:`HEADER`, if it is there.

    Raises
    ------
    BadRequest: not the protocol.  TooLarge: a tensor of more elements than any request needs.
    """
    text, binary = body, b""
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdigit() or not 0 < int(header_length) <= len(body):
            raise BadRequest(f"header {HEADER} must be a number of bytes from 1 to the body's {len(body)}, not "
                             f"{header_length!r:.40}")
        text, binary = body[:int(header_length)], body[int(header_length):]
    try:
        d = _object(json.loads(text), "the request")
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the request is no JSON ({str(error)[:80]})") from None
    inputs = d.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise BadRequest(f"the request must have one input, {INPUT!r}")
    one = _object(inputs[0], "an input")
    if one.get("name") != INPUT:
        raise BadRequest(f"the input must be called {INPUT!r}, not {one.get('name')!r:.80}")
    size = _object(one.get("parameters", {}), "an input's parameters").get("binary_data_size")
    if size is None:
        if binary:
            raise BadRequest("binary data follow the request, but its input names no binary_data_size")
        data = tensor(one.get("datatype"), one.get("shape"), values=one.get("data"))
    else:
        if isinstance(size, bool) or size != len(binary):
            raise BadRequest(f"binary_data_size must be the {len(binary)} bytes that follow, not {size!r:.40}")
        data = tensor(one.get("datatype"), one.get("shape"), raw=binary)
    parameters = _object(d.get("parameters", {}), "parameters")
    identity = d.get("id", "")
    if not isinstance(identity, str) or len(identity) > IDENTITY:
        raise BadRequest(f"id must be a text of at most {IDENTITY} characters")
    every = bool(parameters.get("binary_data_output", False))
    listed = d.get("outputs")
    outputs: dict[str, bool] = {}
    if listed is not None and not isinstance(listed, list):
        raise BadRequest("outputs must be a list")
    for x in listed or [{"name": LOGITS}, {"name": LABEL}]:
        name = _object(x, "an output").get("name")
        if name not in (LOGITS, LABEL):
            raise BadRequest(f"there is no output {name!r:.80}: choose of {LOGITS!r} and {LABEL!r}")
        outputs[name] = bool(_object(x.get("parameters", {}), "an output's parameters").get("binary_data", every))
    return Request(data=data, parameters=parameters, outputs=outputs, identity=identity)


def tensor(datatype: Any, shape: Any, *, values: Any = None, raw: bytes | None = None) -> np.ndarray:
    """A UINT8 tensor from numbers (nested or flat) or bytes; raises BadRequest, TooLarge."""
    if datatype != "UINT8":
        raise BadRequest(f"input {INPUT!r} must have the datatype UINT8, not {datatype!r:.40}")
    if (not isinstance(shape, list) or not 1 <= len(shape) <= AXES
            or not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= LARGEST for n in shape)):
        raise BadRequest(f"the shape of input {INPUT!r} must be a list of sizes, not {str(shape)[:80]}")
    count = 1
    for n in shape:
        count *= n
    if count > LARGEST:
        raise TooLarge(f"a tensor may have {LARGEST} elements, not {count}")
    if raw is not None:
        if len(raw) != count:
            raise BadRequest(f"a UINT8 tensor of shape {shape} has {count} bytes, not {len(raw)}")
        return np.frombuffer(raw, np.uint8).reshape(shape)
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iu" or array.size != count:
            raise ValueError(f"{array.size} values of kind {array.dtype.kind!r}")
        if array.size and not (0 <= int(array.min()) and int(array.max()) <= 255):
            raise ValueError("a value outside 0 to 255")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRequest(f"input {INPUT!r} must have {count} whole numbers from 0 to 255 ({str(error)[:80]})") from None
    return array.astype(np.uint8).reshape(shape)


def encode(model: str, version: str, request: Request, tensors: Mapping[str, np.ndarray],
           parameters: Mapping[str, Any]) -> tuple[bytes, int | None]:
    """(body, bytes of its JSON part or None) of a response."""
    outputs: list[dict[str, Any]] = []
    tail: list[bytes] = []
    names = {v: k for k, v in TYPES.items()}
    for name, binary in request.outputs.items():
        array = tensors[name]
        line: dict[str, Any] = {"name": name, "datatype": names[array.dtype], "shape": list(array.shape)}
        if binary:
            raw = array.tobytes()
            line["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            line["data"] = array.ravel().tolist()
        outputs.append(line)
    d: dict[str, Any] = {"model_name": model, "model_version": version, "parameters": dict(parameters),
                         "outputs": outputs}
    if request.identity:
        d["id"] = request.identity
    text = json.dumps(d, separators=(",", ":")).encode()
    return text + b"".join(tail), len(text) if tail else None


def merged(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Response parameters of several images: those of the first where all agree, else a list as text."""
    if len(lines) == 1:
        return lines[0]
    return {k: lines[0][k] if all(x[k] == lines[0][k] for x in lines) else json.dumps([x[k] for x in lines])
            for k in lines[0]}
