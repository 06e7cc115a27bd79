"""Request traces of Microsoft Azure, in the format in which they are published (Azure/AzurePublicDataset, CC-BY)."""
from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from nigiri.traffic.errors import LIMIT, TrafficError

__all__ = ["BYTES", "functions_2019", "functions_2021", "llm_trace"]

BYTES = 4 << 30
"""Largest file."""
MINUTES = 1440


def _rows(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) behind the header, which must begin with `wanted`; empty lines are left out."""
    try:
        if path.stat().st_size > BYTES:
            raise TrafficError(f"{path} is larger than {BYTES} bytes: split it")
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = [c.strip() for c in next(reader, [])]
            if tuple(header[:len(wanted)]) != wanted:
                raise TrafficError(f"{path} must begin with the columns {', '.join(wanted)}, not "
                                   f"{', '.join(header)[:80]!r}: give the file as it was published")
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except OSError as error:
        raise TrafficError(f"there is no trace at {path} ({error.strerror}): check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrafficError(f"{path} is no text of comma-separated values ({error})") from error


def functions_2019(path: Path, functions: int | None = None) -> np.ndarray:
    """Invocations by minute of a day, int64 [1440]: the sum over the first `functions`, or all, of the file.

    Files: invocations_per_function_md.anon.dNN.csv of the 2019 set.

    Raises
    ------
    TrafficError: no such file, another format, or a cell that is no count.
    """
    total, taken = np.zeros(MINUTES, np.int64), 0
    for line, cells in _rows(path, ("HashOwner", "HashApp", "HashFunction", "Trigger", "1")):
        if functions is not None and taken >= functions:
            break
        try:
            counts = np.array(cells[4:], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise TrafficError(f"{path}, line {line}: counts must be whole numbers ({error})") from error
        if counts.shape != (MINUTES,) or (counts < 0).any():
            raise TrafficError(f"{path}, line {line}: a function needs {MINUTES} counts of 0 or more, one a minute")
        total += counts
        taken += 1
    if not taken:
        raise TrafficError(f"{path} has no functions")
    return total


def functions_2021(path: Path) -> np.ndarray:
    """Starts of all invocations, float64 seconds from the first; a row has the end and the duration.

    File: AzureFunctionsInvocationTraceForTwoWeeksJan2021.txt of the 2021 set.

    Raises
    ------
    TrafficError: no such file, another format, a cell that is no number, or too many rows.
    """
    starts = list[float]()
    for line, cells in _rows(path, ("app", "func", "end_timestamp", "duration")):
        try:
            start = float(cells[2]) - float(cells[3])
        except (ValueError, IndexError) as error:
            raise TrafficError(f"{path}, line {line}: end_timestamp and duration must be numbers ({error})") from error
        if not np.isfinite(start):
            raise TrafficError(f"{path}, line {line}: end_timestamp and duration must be finite")
        starts.append(start)
        if len(starts) > LIMIT:
            raise TrafficError(f"{path} has more than {LIMIT} invocations: split it")
    return _from_zero(path, starts)


def llm_trace(path: Path) -> np.ndarray:
    """Arrivals of an Azure LLM inference trace, float64 seconds from the first (timestamps have steps of 100 ns).

    Raises
    ------
    TrafficError: no such file, another format, or a cell that is no time.
    """
    times = list[float]()
    for line, cells in _rows(path, ("TIMESTAMP",)):
        text, _, fraction = cells[0].strip().partition(".")
        try:
            seconds = (datetime.fromisoformat(text) - datetime(2023, 1, 1)).total_seconds()
            times.append(seconds + (int(fraction) / 10 ** len(fraction) if fraction else 0.0))
        except (ValueError, TypeError) as error:
            raise TrafficError(f"{path}, line {line}: TIMESTAMP must be a time like 2023-11-16 18:17:03.9799600 "
                               f"({error})") from error
    return _from_zero(path, times)


def _from_zero(path: Path, times: list[float]) -> np.ndarray:
    if not times:
        raise TrafficError(f"{path} has no requests")
    out = np.sort(np.array(times))
    return out - out[0]
