"""Rows: which rows of its inputs a band of a layer's output needs, and how a map is cut into bands."""
from __future__ import annotations

from nigiri.compiler.graph import Layer, SuperLayer

__all__ = ["Rows", "cut", "even", "map_rows", "reach", "union"]

Rows = tuple[int, int]
"""First row, and the row behind the last."""


def map_rows(s: SuperLayer, layer: Layer, rows: Rows) -> Rows:
    """Rows of the map that the machine computes for output `rows`: those of stride 1 for an average pool."""
    return (2 * rows[0], min(2 * rows[1], layer.height)) if s.average else rows


def reach(s: SuperLayer, layer: Layer, rows: Rows) -> Rows:
    """Rows of the source under output `rows` of a layer."""
    first, end = map_rows(s, layer, rows)
    r, odd = layer.kernel // 2, layer.plane // 2
    return max(0, first * s.step - r), min(layer.height, (end - 1) * s.step + odd + r + 1)


def union(a: Rows | None, b: Rows) -> Rows:
    return b if a is None else (min(a[0], b[0]), max(a[1], b[1]))


def even(rows: Rows, height: int) -> Rows:
    """`rows` made to begin and end between rows of different phase planes' pairs."""
    return rows[0] // 2 * 2, min(height, -(-rows[1] // 2) * 2)


def cut(height: int, bands: int, unit: int = 1) -> list[Rows]:
    """`height` rows in at most `bands` bands of nearly equal size that begin at multiples of `unit`."""
    units = -(-height // unit)
    bands = min(bands, units)
    ends = [min(height, unit * (units * (n + 1) // bands)) for n in range(bands)]
    return list(zip([0, *ends[:-1]], ends, strict=True))
