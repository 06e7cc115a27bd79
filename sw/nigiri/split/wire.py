"""What crosses the network at a cut: a header in JSON, the tensors' codes, a checksum.

    "NGSP" | version, 2 bytes | header length, 4 bytes | header | codes of all tensors | CRC-32 of all before, 4 bytes

All numbers are little-endian.  The header names the network by a digest of its weights and requantisation
parameters, so that two machines with different networks never mix.  A tensor has its shape, the zero point of its
codes, and the real value of a code where the network knows it.
"""
from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nigiri.compiler.constants import collect
from nigiri.compiler.graph import INPUT, Network, SubNet
from nigiri.runtime.errors import NigiriError
from nigiri.split.boundary import boundaries

__all__ = ["LIMIT", "BadMessage", "Message", "digest", "pack", "unpack"]

MAGIC, VERSION = b"NGSP", 1
HEAD = struct.Struct("<4sHI")
HEADER = 64 * 1024
"""Most bytes of a header."""
LIMIT = 64 * 1024 * 1024
"""Most bytes of a message."""


class BadMessage(NigiriError):
    """What arrived is not a message at a cut of this network."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Message:
    """Tensors at cut `at` of a SubNet; the image is uint8 [height, width, channels], others int8 [c, h, w]."""

    subnet: str
    at: int
    tensors: dict[str, np.ndarray]


@lru_cache(maxsize=8)
def digest(network: Network) -> str:
    """Of everything that decides a network's results, hexadecimal."""
    h = hashlib.sha256(network.weights.tobytes())
    h.update(collect(network).words.tobytes())
    h.update(network.input_table.tobytes())
    for s in network.subnets:
        for x in s.layers:
            h.update(repr((s.info.name, x.name, x.weights, x.cin, x.cout, x.kernel, x.source, x.operand, x.zp_in,
                           x.zp_out, x.act_min, x.act_max, x.residual, x.scale, x.pool)).encode())
    return h.hexdigest()[:32]


def _facts(network: Network, subnet: SubNet, tensor: str) -> dict[str, Any]:
    """Zero point and real value of a code of a tensor; None where the network does not know."""
    if tensor == INPUT:
        return {"zero_point": None, "scale": None}
    layer = next(x for x in subnet.layers if tensor in (x.name, f"{x.name}.pool"))
    if tensor.endswith(".pool") and layer.pool:
        return {"zero_point": layer.pool.zp, "scale": None}
    zp = layer.residual.zp_sum if layer.residual else layer.scale.zp_sum if layer.scale else layer.zp_out
    return {"zero_point": zp, "scale": layer.step or None}


def pack(network: Network, message: Message) -> bytes:
    """The bytes of a message."""
    subnet = network.subnet(message.subnet)
    header = {"network": network.name, "digest": digest(network), "subnet": message.subnet, "at": message.at,
              "tensors": [{"name": t, "shape": list(v.shape), "type": str(v.dtype), **_facts(network, subnet, t)}
                          for t, v in message.tensors.items()]}
    text = json.dumps(header, separators=(",", ":")).encode()
    raw = HEAD.pack(MAGIC, VERSION, len(text)) + text
    raw += b"".join(np.ascontiguousarray(v).tobytes() for v in message.tensors.values())
    return raw + struct.pack("<I", zlib.crc32(raw))


def unpack(network: Network, raw: bytes, limit: int = LIMIT) -> Message:
    """The message in `raw`.

    Raises
    ------
    BadMessage: it is too long, damaged, of another network, or not what crosses at its cut.
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
        theirs, name, at = header["digest"], header["subnet"], header["at"]
        names = [t["name"] for t in header["tensors"]]
    except (ValueError, KeyError, TypeError) as e:
        raise BadMessage(f"the message's header is not understood ({type(e).__name__})") from e
    if theirs != digest(network):
        raise BadMessage(f"the message is of network {header.get('network')!r} with digest {theirs!r}, here is "
                         f"{network.name!r} with {digest(network)!r}: both sides need the same bundle")
    if not isinstance(name, str) or name not in [s.info.name for s in network.subnets]:
        raise BadMessage(f"the network has no SubNet {name!r}")
    subnet = network.subnet(name)
    if type(at) is not int or not 0 <= at <= len(subnet.layers):
        raise BadMessage(f"SubNet {name} has cuts 0 to {len(subnet.layers)}, not {at!r}")
    wanted = _wanted(network, subnet, at)
    if names != list(wanted):
        raise BadMessage(f"at cut {at} of SubNet {name} cross {', '.join(wanted)}, not {', '.join(map(str, names))}")
    return Message(subnet=name, at=at, tensors=_tensors(raw[HEAD.size + length:-4], wanted))


def _wanted(network: Network, subnet: SubNet, at: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of everything that crosses."""
    height, width = network.image_side(subnet)
    image = (height, width, network.channels)
    return {t: (image, np.uint8) if t == INPUT else ((c, h, w), np.int8)
            for t, c, h, w in boundaries(network, subnet)[at].tensors}


def _tensors(payload: bytes, wanted: Mapping[str, tuple[tuple[int, ...], type]]) -> dict[str, np.ndarray]:
    need = sum(int(np.prod(shape)) for shape, _ in wanted.values())
    if len(payload) != need:
        raise BadMessage(f"the message carries {len(payload)} bytes of codes, not {need}")
    out: dict[str, np.ndarray] = {}
    at = 0
    for name, (shape, kind) in wanted.items():
        size = int(np.prod(shape))
        out[name] = np.frombuffer(payload, kind, size, at).reshape(shape)
        at += size
    return out
