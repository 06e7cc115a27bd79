"""Bit fields of records made of 32-bit little-endian words: one declaration, encoded and decoded everywhere."""
from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Field", "decode", "encode"]


@dataclass(frozen=True)
class Field:
    """`width` bits at bit `lsb` of 32-bit word `word`."""

    name: str
    word: int
    lsb: int
    width: int
    doc: str
    signed: bool = False

    @property
    def low(self) -> int:
        return -(1 << self.width - 1) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << self.width - (1 if self.signed else 0)) - 1


def encode(fields: tuple[Field, ...], words: int, values: dict[str, int]) -> bytes:
    """Pack `values` (missing ones are 0) into `words` 32-bit words; ValueError names a field out of its range."""
    known = {f.name: f for f in fields}
    out = [0] * words
    for name, value in values.items():
        f = known[name]
        if not f.low <= int(value) <= f.high:
            raise ValueError(f"field {name} must be between {f.low} and {f.high}, not {value!r}")
        out[f.word] |= (int(value) & ((1 << f.width) - 1)) << f.lsb
    return struct.pack(f"<{words}I", *out)


def decode(fields: tuple[Field, ...], raw: bytes) -> dict[str, int]:
    """The value of every field in `raw`."""
    words = struct.unpack(f"<{len(raw) // 4}I", raw)
    out = {}
    for f in fields:
        v = words[f.word] >> f.lsb & ((1 << f.width) - 1)
        out[f.name] = v - (1 << f.width) if f.signed and v >> f.width - 1 else v
    return out
