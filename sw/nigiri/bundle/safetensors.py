"""Tensors in the safetensors format, read and written with NumPy alone: a board needs no further package.

The file: a little-endian 64-bit number of header bytes, the header, the tensors' bytes one after the other.  The
header is a JSON object: name to {"dtype", "shape", "data_offsets"}, offsets from the end of the header; the name
"__metadata__" holds strings.  Source: the format's specification, github.com/huggingface/safetensors.
"""
from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["DTYPES", "HEADER_LIMIT", "dump", "parse"]

DTYPES = {"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4", "I32": "<i4",
          "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8"}
"""Element types that NumPy has, little-endian."""
HEADER_LIMIT = 1 << 20
"""Largest header, bytes."""
NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}
METADATA = "__metadata__"


def dump(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The file's bytes: equal tensors make equal bytes.

    Raises
    ------
    ValueError: a tensor's element type has no name in the format.
    """
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    body, at = [], 0
    # Wide elements first, so that every tensor is aligned to its element.
    for name in sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n)):
        array = tensors[name]
        dtype = array.dtype.newbyteorder("<")
        if dtype not in NAMES:
            raise ValueError(f"tensor {name} has element type {array.dtype}, which safetensors files do not have")
        raw = np.ascontiguousarray(array, dtype).tobytes()
        header[name] = {"dtype": NAMES[dtype], "shape": list(array.shape), "data_offsets": [at, at + len(raw)]}
        body.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(body)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("its header names something twice")
    return out


def _header(raw: bytes) -> tuple[dict[str, Any], int]:
    """(header, first byte of the tensors)."""
    if len(raw) < 8:
        raise ValueError("it is too short")
    size = struct.unpack_from("<Q", raw)[0]
    if size > min(HEADER_LIMIT, len(raw) - 8):
        raise ValueError("its header is larger than the file, or than any that is needed")
    try:
        header = json.loads(raw[8:8 + size], object_pairs_hook=_unique)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")
    return header, 8 + size


def parse(raw: bytes) -> dict[str, np.ndarray]:
    """The tensors of a file, as arrays of their own.

    Raises
    ------
    ValueError: the bytes are no such file: "it ..." or "its ..." says why.
    """
    header, first = _header(raw)
    header.pop(METADATA, None)
    out: dict[str, np.ndarray] = {}
    end = 0
    try:
        for name, x in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            dtype, shape, (low, high) = np.dtype(DTYPES[x["dtype"]]), x["shape"], x["data_offsets"]
            count = dtype.itemsize
            for n in shape:
                if type(n) is not int or n < 0:
                    raise ValueError
                count *= n
            if low != end or high - low != count or first + high > len(raw):
                raise ValueError
            out[name] = np.frombuffer(raw, dtype, count // dtype.itemsize, first + low).reshape(shape).copy()
            end = high
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError("its header does not agree with its contents") from None
    if first + end != len(raw):
        raise ValueError("its header does not agree with its contents")
    return out
