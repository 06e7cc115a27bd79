"""Residency of weights in the persistent buffer (PB), and the fill entries that change it.

The residency table has one entry per SuperNet layer: a prefix box of `out_blocks` x `in_blocks` x `taps` weight words
stored densely in that order from `pb_base`.  A weight word [ob][ib][t] is taken from PB when ob < out_blocks,
ib < in_blocks and t < taps; all others come from DRAM.  Programs do not mention the table.

A fill is a list of 64-byte entries in DRAM.  Each entry first makes its layer non-resident; then, unless
`out_blocks` is 0, copies the box from DRAM into PB and makes the layer resident in one step.  A query that runs
meanwhile sees a layer either as it was, absent, or complete.
"""
from __future__ import annotations

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.errors import ErrorCode
from nigiri.spec.fields import Field, decode, encode

__all__ = ["BYTES", "FIELDS", "MAGIC", "WORDS", "overlaps", "pack", "problem", "unpack"]

BYTES = 64
WORDS = BYTES // 4
MAGIC = 0x46

FIELDS: tuple[Field, ...] = (
    Field("magic", 0, 0, 8, "0x46"),
    Field("layer", 0, 16, 16, "SuperNet layer: entry of the residency table"),
    Field("out_blocks", 1, 0, 16, "resident output blocks; 0 only makes the layer non-resident"),
    Field("in_blocks", 1, 16, 16, "resident input blocks"),
    Field("taps", 2, 0, 16, "resident taps (depthwise: rows)"),
    Field("pb_base", 3, 0, 32, "first word in PB"),
    Field("mem_offset", 4, 0, 32, "the layer's weights, words from the window base"),
    Field("w_taps", 5, 0, 16, "taps stored per weight block in DRAM"),
    Field("w_blocks", 5, 16, 16, "input blocks stored per output block in DRAM"),
)


def pack(**values: int) -> bytes:
    """One fill entry as 64 bytes; the magic byte is set."""
    return encode(FIELDS, WORDS, {"magic": MAGIC, **values})


def unpack(raw: bytes) -> dict[str, int]:
    """All fields of a 64-byte fill entry."""
    return decode(FIELDS, raw)


def size(entry: dict[str, int]) -> int:
    """Words of PB that an entry takes."""
    return entry["out_blocks"] * entry["in_blocks"] * entry["taps"]


def problem(e: dict[str, int], config: AcceleratorConfig) -> ErrorCode:
    """The error code of an entry by itself; ErrorCode.NONE when it is sound."""
    if e["magic"] != MAGIC or e["layer"] >= config.layers:
        return ErrorCode.FILL_ENTRY
    if e["out_blocks"] == 0:
        return ErrorCode.NONE
    if not (1 <= e["in_blocks"] <= e["w_blocks"] and 1 <= e["taps"] <= min(49, e["w_taps"])):
        return ErrorCode.FILL_ENTRY
    if e["pb_base"] + size(e) > config.pb_words:
        return ErrorCode.FILL_RANGE
    return ErrorCode.NONE


def overlaps(a: dict[str, int], b: dict[str, int]) -> bool:
    """Whether two entries share a word of PB."""
    return a["pb_base"] < b["pb_base"] + size(b) and b["pb_base"] < a["pb_base"] + size(a)
