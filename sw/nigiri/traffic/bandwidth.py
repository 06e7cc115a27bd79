"""Bandwidth of mobile links over time: synthetic traces like those of LTE and 5G, and recorded ones from files."""
from __future__ import annotations

import csv
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from nigiri.traffic.errors import TrafficError

__all__ = ["KINDS", "Bandwidths", "read_bandwidth", "synthetic"]

MOST_BYTES = 64 * 2**20
"""Largest file that is read."""


@dataclass(frozen=True, kw_only=True)
class Bandwidths:
    """mbit_s: one value a second, Mbit/s, 0 where there is no connection."""

    name: str
    mbit_s: tuple[float, ...]

    def at(self, time_s: float) -> float:
        """The bandwidth at a time; the trace repeats."""
        return self.mbit_s[int(time_s) % len(self.mbit_s)]

    @property
    def mean(self) -> float:
        return sum(self.mbit_s) / len(self.mbit_s)


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """states: (median Mbit/s, mean seconds in it).  spread: of the logarithm inside a state; memory: of one second."""

    states: tuple[tuple[float, float], ...]
    spread: float
    memory: float


KINDS = {"lte": _Kind(states=((20.0, 40.0), (9.0, 30.0), (2.5, 12.0)), spread=0.3, memory=0.8),
         "5g": _Kind(states=((150.0, 25.0), (60.0, 20.0), (8.0, 6.0)), spread=0.4, memory=0.6)}
"""Good, fair and poor reception of an uplink.  Levels and times are ours, of the size that measurement papers report:
LTE changes slowly, 5G is faster and falls deeper when it is blocked."""


def synthetic(kind: str, seconds: int, seed: int = 0) -> Bandwidths:
    """A trace of a kind of :data:`KINDS`: states change at random, inside one the logarithm is a first-order
    autoregressive process.

    Raises
    ------
    TrafficError: no such kind, or no second.
    """
    if kind not in KINDS:
        raise TrafficError(f"unknown kind of link {kind!r}: choose one of {', '.join(KINDS)}")
    if seconds < 1:
        raise TrafficError(f"a trace needs at least one second, not {seconds}")
    k, rng = KINDS[kind], random.Random(f"{kind} {seed}")
    state, noise, out = rng.randrange(len(k.states)), 0.0, []
    for _ in range(seconds):
        if rng.random() < 1 / k.states[state][1]:
            state = rng.choice([n for n in range(len(k.states)) if n != state])
        noise = k.memory * noise + rng.gauss(0, k.spread * math.sqrt(1 - k.memory**2))
        out.append(k.states[state][0] * math.exp(noise))
    return Bandwidths(name=f"{kind}-{seed}", mbit_s=tuple(out))


def read_bandwidth(path: Path | str) -> Bandwidths:
    """A recorded trace: a CSV with the columns time_s and mbit_s, in order of time; seconds without a row keep the
    value of the one before.

    Raises
    ------
    TrafficError: no such file, too large, or not of that form; the message names the line.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TrafficError(f"{path}: a trace may have at most {MOST_BYTES} bytes")
        with path.open(newline="") as f:
            rows = list(csv.DictReader(f))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise TrafficError(f"{path}: cannot be read as a trace of bandwidths ({e})") from e
    points = [_point(path, n, row) for n, row in enumerate(rows, 2)]
    if not points:
        raise TrafficError(f"{path}: there is no row below time_s,mbit_s")
    if any(b[0] < a[0] for a, b in pairwise(points)):
        raise TrafficError(f"{path}: times must not fall")
    return Bandwidths(name=path.stem, mbit_s=tuple(_seconds(points)))


def _point(path: Path, line: int, row: dict[str, str]) -> tuple[float, float]:
    try:
        time, rate = float(row["time_s"]), float(row["mbit_s"])
    except (KeyError, TypeError, ValueError) as e:
        raise TrafficError(f"{path}, line {line}: needs the columns time_s and mbit_s with numbers") from e
    if not (0 <= time < 1e7 and 0 <= rate < 1e6):
        raise TrafficError(f"{path}, line {line}: {time:g} s and {rate:g} Mbit/s are no sensible values")
    return time, rate


def _seconds(points: Sequence[tuple[float, float]]) -> list[float]:
    """One value a second from the first time on."""
    begin, out, k = points[0][0], [], 0
    for n in range(int(points[-1][0] - begin) + 1):
        while k + 1 < len(points) and points[k + 1][0] <= begin + n:
            k += 1
        out.append(points[k][1])
    return out
