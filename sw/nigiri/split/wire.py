"""What crosses the network at a cut: a header in JSON, the tensors' codes, a checksum.

    "NGSP" | version, 2 bytes | header length, 4 bytes | header | codes of all tensors | CRC-32 of all before, 4 bytes

All numbers are little-endian.  The header names the network by a digest of its weights and requantisation
parameters, so that two machines with different networks never mix.  A tensor has its shape, the zero point of its
codes, and the real value of a code where the network knows it.  An answer says how long the server took.
"""
from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nigiri.compiler.graph import INPUT, Network, SubNet
from nigiri.runtime.errors import BadArgument, NigiriError
from nigiri.split.boundary import boundaries

__all__ = ["LIMIT", "BadMessage", "Message", "WrongNetwork", "digest", "pack", "size", "unpack"]

MAGIC, VERSION = b"NGSP", 1
HEAD = struct.Struct("<4sHI")
HEADER = 64 * 1024
"""Most bytes of a header."""
LIMIT = 64 * 1024 * 1024
"""Most bytes of a message."""


class BadMessage(NigiriError):
    """What arrived is not a message at a cut of this network."""


class WrongNetwork(BadMessage):
    """A message of another network, or of other weights."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Message:
    """Tensors at cut `at` of a SubNet; the image is uint8 [height, width, channels], others int8 [c, h, w].

    ms: of an answer, how long the server took with it, waiting included.
    """

    subnet: str
    at: int
    tensors: dict[str, np.ndarray]
    ms: float = 0.0


@lru_cache(maxsize=8)
def digest(network: Network) -> str:
    """Of everything that decides a network's results, hexadecimal."""
    h = hashlib.sha256(network.weights.tobytes() + network.input_table.tobytes())
    h.update(_plain((network.height, network.width, network.channels, network.classes, network.input_zp, network.fold,
                     network.turned, network.layers)))
    for s in network.subnets:
        h.update(_plain((s.info.name, s.height, s.width, len(s.layers))))
        for x in s.layers:
            h.update(_plain((x.name, x.weights, x.cin, x.cout, x.kernel, x.height, x.width, x.source, x.operand,
                             x.plane, x.zp_in, x.zp_out, x.act_min, x.act_max, x.residual, x.scale, x.pool)))
            for values in (x.bias, x.mult, x.shift, x.table):
                h.update(b"-" if values is None else values.tobytes())
    return h.hexdigest()[:32]


def _plain(value: Any) -> bytes:
    """Text of a value, the same whether a number is Python's or any NumPy's."""
    if is_dataclass(value):
        value = tuple(getattr(value, f.name) for f in fields(value))
    return b"(%s)" % b",".join(_plain(v) for v in value) if isinstance(value, tuple) else str(value).encode()


def _facts(network: Network, subnet: SubNet, tensor: str) -> dict[str, Any]:
    """Zero point and real value of a code of a tensor; None where the network does not know."""
    if tensor == INPUT:
        return {"zero_point": None, "scale": None}
    layer = next(x for x in subnet.layers if tensor in (x.name, f"{x.name}.pool"))
    if tensor.endswith(".pool") and layer.pool:
        return {"zero_point": layer.pool.zp, "scale": None}
    zp = layer.residual.zp_sum if layer.residual else layer.scale.zp_sum if layer.scale else layer.zp_out
    return {"zero_point": zp, "scale": layer.step or None}


def _described(network: Network, subnet: SubNet, at: int) -> list[dict[str, Any]]:
    """The header's description of everything that crosses a cut."""
    image = [*network.image_side(subnet), network.channels]
    return [{"name": t, "shape": image if t == INPUT else [c, h, w], "type": "uint8" if t == INPUT else "int8",
             **_facts(network, subnet, t)} for t, c, h, w in boundaries(network, subnet)[at].tensors]


def _header(network: Network, subnet: SubNet, at: int, ms: float) -> bytes:
    header = {"network": network.name, "digest": digest(network), "subnet": subnet.info.name, "at": at,
              "ms": round(ms, 4), "tensors": _described(network, subnet, at)}
    return json.dumps(header, separators=(",", ":")).encode()


def size(network: Network, subnet: SubNet, at: int) -> int:
    """Bytes of a message at a cut."""
    payload = sum(math.prod(t["shape"]) for t in _described(network, subnet, at))
    return HEAD.size + len(_header(network, subnet, at, 0.0)) + payload + 4


def pack(network: Network, message: Message) -> bytes:
    """The bytes of a message.

    Raises
    ------
    GraphError: no such SubNet.  BadArgument: its tensors are not those that cross there, by name, shape and type.
    """
    subnet = network.subnet(message.subnet)
    wanted, have = _described(network, subnet, message.at), message.tensors
    got = [(t, list(v.shape), str(v.dtype)) for t, v in have.items()]
    if got != [(t["name"], t["shape"], t["type"]) for t in wanted]:
        raise BadArgument(f"at cut {message.at} of SubNet {message.subnet} cross "
                          f"{', '.join(_text(t) for t in wanted)}, not "
                          f"{', '.join(f'{t} {kind} {shape}' for t, shape, kind in got) or 'nothing'}")
    text = _header(network, subnet, message.at, message.ms)
    raw = HEAD.pack(MAGIC, VERSION, len(text)) + text
    raw += b"".join(np.ascontiguousarray(v).tobytes() for v in have.values())
    return raw + struct.pack("<I", zlib.crc32(raw))


def _text(tensor: dict[str, Any]) -> str:
    return f"{tensor['name']} {tensor['type']} {tensor['shape']}"


def unpack(network: Network, raw: bytes, limit: int = LIMIT) -> Message:
    """The message in `raw`.

    Raises
    ------
    WrongNetwork: it is of another network.  BadMessage: it is too long, damaged, or not what crosses at its cut.
    """
    if len(raw) > limit:
        raise BadMessage(f"a message may have at most {limit} bytes, not {len(raw)}")
    if len(raw) < HEAD.size + 4 or raw[:4] != MAGIC:
        raise BadMessage("these bytes are no message of a split network")
    _, version, length = HEAD.unpack_from(raw)
    if version != VERSION:
        raise BadMessage(f"the message has version {version}, this software speaks {VERSION}")
    if zlib.crc32(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
        raise BadMessage("the message is damaged: its checksum does not match")
    if not 0 < length <= min(HEADER, len(raw) - HEAD.size - 4):
        raise BadMessage(f"the message's header cannot have {length} bytes")
    try:
        header = json.loads(raw[HEAD.size:HEAD.size + length])
        theirs, name, at, ms = header["digest"], header["subnet"], header["at"], float(header["ms"])
        given = [(t["name"], t["shape"], t["type"], t["zero_point"]) for t in header["tensors"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
        raise BadMessage(f"the message's header is not understood ({type(e).__name__})") from e
    if theirs != digest(network):
        raise WrongNetwork(f"the message is of network {_short(header.get('network'))} with digest {_short(theirs)}, "
                           f"here is {network.name!r} with {digest(network)!r}: both sides need the same bundle")
    if not isinstance(name, str) or name not in [s.info.name for s in network.subnets]:
        raise BadMessage(f"the network has no SubNet {_short(name)}")
    subnet = network.subnet(name)
    if type(at) is not int or not 0 <= at <= len(subnet.layers):
        raise BadMessage(f"SubNet {name} has cuts 0 to {len(subnet.layers)}, not {_short(at)}")
    if not 0 <= ms < math.inf:
        raise BadMessage(f"a server cannot take {ms} ms")
    wanted = _described(network, subnet, at)
    if [t[0] for t in given] != [t["name"] for t in wanted]:
        raise BadMessage(f"at cut {at} of SubNet {name} cross {', '.join(t['name'] for t in wanted)}, not "
                         f"{_short([t[0] for t in given])}")
    for t, (_, shape, kind, zp) in zip(wanted, given, strict=True):
        if [shape, kind, zp] != [t["shape"], t["type"], t["zero_point"]]:
            raise BadMessage(f"tensor {t['name']} is {t['type']} {t['shape']} with zero point {t['zero_point']}, not "
                             f"{_short(kind)} {_short(shape)} with {_short(zp)}")
    return Message(subnet=name, at=at, ms=ms, tensors=_tensors(raw[HEAD.size + length:-4], wanted))


def _short(value: Any) -> str:
    """A stranger's value in an error message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _tensors(payload: bytes, wanted: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    need = sum(math.prod(t["shape"]) for t in wanted)
    if len(payload) != need:
        raise BadMessage(f"the message carries {len(payload)} bytes of codes, not {need}")
    out: dict[str, np.ndarray] = {}
    at = 0
    for t in wanted:
        count = math.prod(t["shape"])
        out[t["name"]] = np.frombuffer(payload, t["type"], count, at).reshape(t["shape"])
        at += count
    return out
