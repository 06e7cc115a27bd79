"""Recorded streams: queries as JSON lines, one object a query, saved by one run and served again by another."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nigiri.traffic.errors import LIMIT, TrafficError

__all__ = ["BYTES", "COLUMNS", "load_stream", "save_stream"]

BYTES = 4 << 30
"""Largest file."""
COLUMNS: dict[str, float] = {"arrival_s": 0.0, "accuracy": 0.0, "latency_ms": float("inf"),
                             "deadline_s": float("inf"), "image": 0.0}
"""What a query can have, and its value where it is left out; `arrival_s` must be there."""


def save_stream(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write queries; values that are the default are left out.

    Raises
    ------
    TrafficError: an unknown column, no `arrival_s`, or columns of different lengths.
    """
    if "arrival_s" not in columns or set(columns) - set(COLUMNS):
        raise TrafficError(f"a stream has the column arrival_s and may have {', '.join(list(COLUMNS)[1:])}, not "
                           f"{', '.join(columns)}")
    if len({len(x) for x in columns.values()}) != 1:
        raise TrafficError("all columns of a stream must be equally long")
    names = list(columns)
    with path.open("w", encoding="utf-8") as file:
        for values in zip(*(np.asarray(columns[n]).tolist() for n in names), strict=True):
            row = {n: v for n, v in zip(names, values, strict=True) if n == "arrival_s" or v != COLUMNS[n]}
            file.write(json.dumps(row) + "\n")


def load_stream(path: Path) -> dict[str, np.ndarray]:
    """All columns, float64 [n], sorted by arrival (`image` holds whole numbers).

    Raises
    ------
    TrafficError: no such file, too large, or a line that is no query.
    """
    out: dict[str, list[float]] = {n: [] for n in COLUMNS}
    try:
        if path.stat().st_size > BYTES:
            raise TrafficError(f"{path} is larger than {BYTES} bytes: split it")
        with path.open(encoding="utf-8") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    _read(f"{path}, line {line}", text, out)
                if len(out["arrival_s"]) > LIMIT:
                    raise TrafficError(f"{path} has more than {LIMIT} queries: split it")
    except OSError as error:
        raise TrafficError(f"there is no recorded stream at {path} ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise TrafficError(f"{path} is no text ({error})") from error
    columns = {n: np.array(v, np.float64) for n, v in out.items()}
    order = np.argsort(columns["arrival_s"], kind="stable")
    return {n: v[order] for n, v in columns.items()}


def _read(where: str, text: str, out: dict[str, list[float]]) -> None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or "arrival_s" not in row or set(row) - set(COLUMNS):
        raise TrafficError(f"{where}: a query is a JSON object with arrival_s and, if wanted, "
                           f"{', '.join(list(COLUMNS)[1:])}")
    for name, default in COLUMNS.items():
        value = row.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0 or (
                name in ("arrival_s", "image") and value == float("inf")):
            raise TrafficError(f"{where}: {name} must be a number of 0 or more, not {json.dumps(value)}")
        out[name].append(float(value))
