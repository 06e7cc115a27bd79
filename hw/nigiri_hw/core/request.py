"""What travels between the units that want data and the read DMA."""

from amaranth.hdl import Value
from amaranth.lib import data, enum, stream
from amaranth.lib.wiring import Out, Signature

__all__ = ["CHUNK", "Kind", "Request", "WordBus", "beyond", "request_stream"]

CHUNK = 16
"""Most words in one request."""


class Kind(enum.Enum, shape=3):
    """Where the words of a request go; TRANSPOSED is DYNAMIC with rows and columns of the 8 x 8 bytes exchanged."""

    DYNAMIC = 0
    ACTIVATION = 1
    PERSISTENT = 2
    DESCRIPTOR = 3
    ENTRY = 4
    TRANSPOSED = 5


class Request(data.Struct):
    """`count` words from `offset` (in words from the window base) to `dest` and the places after it."""

    offset: 32
    count: 5
    kind: Kind
    dest: 20
    tag: 16


WordBus = Signature(
    {"valid": Out(1), "kind": Out(Kind), "dest": Out(20), "tag": Out(16), "error": Out(1), "data": Out(64).array(8)}
)
"""One arrived word a cycle; receivers always take it."""


def request_stream():
    """Signature of a stream of requests, seen from the unit that makes them."""
    return Out(stream.Signature(Request))


def beyond(offset, count, window_size) -> Value:
    """Whether `count` words from `offset` leave the DMA window."""
    return (offset + count) > window_size
