"""Configurations as points of a grid, and how far apart two of them are."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from nigiri.tune.errors import TuneError

__all__ = ["LIMIT", "Axis", "Scale", "Space", "serving_space"]

LIMIT = 8192
"""Most configurations of a space: all pairs of distances are kept."""
Scale = Literal["step", "log", "linear"]
STRETCH = {"timeout_ms": 0.5, "devices": 2.0, "period": 0.3, "clock": 1.5}
"""Capacity and power go with devices and clock, so that a step of these changes most; the period and the timeout change
nothing in many configurations.  Ours, chosen on workloads other than those that results are shown for."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One setting and the values it may have, ascending.

    Parameters
    ----------
    scale: where a value lies between 0 and 1.  "step" spaces the values evenly, whatever they are; "linear" by value;
        "log" by logarithm, a first value of 0 one ratio below the second.
    stretch: distance between the first and the last value, above 0.  A small one says that the setting matters little.

    Raises
    ------
    TuneError: no values, values that do not ascend from 0 or more, or a stretch that is not positive.
    """

    name: str
    values: tuple[float, ...]
    scale: Scale = "step"
    stretch: float = 1.0

    def __post_init__(self) -> None:
        if not self.values or list(self.values) != sorted(set(self.values)) or self.values[0] < 0:
            raise TuneError(f"values of {self.name} must ascend from 0 or more, not {list(self.values)}")
        if self.scale not in ("step", "log", "linear") or not 0 < self.stretch < float("inf"):
            raise TuneError(f"{self.name} needs scale 'step', 'log' or 'linear' and a positive stretch, not "
                            f"{self.scale!r} and {self.stretch}")

    @cached_property
    def places(self) -> np.ndarray:
        """Where each value lies, float64 from 0 to `stretch`."""
        n = len(self.values)
        if n == 1:
            return np.zeros(1)
        at = np.arange(n, dtype=np.float64) if self.scale == "step" else np.array(self.values, np.float64)
        if self.scale == "log":
            if at[0] == 0:
                at[0] = at[1] ** 2 / at[2] if n > 2 else at[1] / 2
            at = np.log(at)
        return self.stretch * (at - at[0]) / (at[-1] - at[0])


@dataclass(frozen=True, kw_only=True)
class Space:
    """All combinations of the values of some axes, numbered; the last axis changes fastest.

    Raises
    ------
    TuneError: no axes, two of one name, or more than LIMIT configurations.
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        names = [a.name for a in self.axes]
        if not names or len(set(names)) != len(names):
            raise TuneError(f"a space needs axes of different names, not {names}")
        if len(self) > LIMIT:
            raise TuneError(f"a space can have {LIMIT} configurations, not {len(self)}: give fewer values")

    def __len__(self) -> int:
        return int(np.prod([len(a.values) for a in self.axes]))

    @cached_property
    def points(self) -> tuple[dict[str, float], ...]:
        """Every configuration, by name of the axis."""
        names = [a.name for a in self.axes]
        return tuple(dict(zip(names, x, strict=True)) for x in product(*(a.values for a in self.axes)))

    def index(self, point: Mapping[str, float]) -> int:
        """The number of a configuration; raises TuneError when it is not on the grid."""
        out = 0
        for a in self.axes:
            if point.get(a.name) not in a.values:
                raise TuneError(f"{a.name} must be one of {list(a.values)}, not {point.get(a.name)}")
            out = out * len(a.values) + a.values.index(point[a.name])
        return out

    @cached_property
    def coordinates(self) -> np.ndarray:
        """float64 [configurations, axes]."""
        return np.array(list(product(*(a.places for a in self.axes))))

    @cached_property
    def distances(self) -> np.ndarray:
        """Euclidean, float32 [configurations, configurations]."""
        # Axis by axis, so that the distance to itself is exactly 0.
        square = np.zeros((len(self), len(self)), np.float32)
        for x in self.coordinates.T:
            square += np.subtract.outer(x, x).astype(np.float32) ** 2
        return np.sqrt(square)


def serving_space(*, batch: Sequence[int] = (1, 2, 4, 8, 16), timeout_ms: Sequence[float] = (0, 0.5, 1, 2),
                  devices: Sequence[int] = (1, 2, 3, 4, 6, 8), period: Sequence[int] = (2, 8, 64),
                  clock: Sequence[float] = (0.4, 0.6, 0.8, 1.0), stretch: Mapping[str, float] = STRETCH) -> Space:
    """What an operator of Nigiri devices can set.

    Parameters
    ----------
    batch: most images of a launch.
    timeout_ms: how long a query may wait for others to share its launch; without effect when batch is 1.
    devices: that are on.
    period: Q, queries between two changes of the cache.
    clock: of the devices, as a share of the top one.
    stretch: of the axes; that of batch is 1.
    """
    return Space(axes=(Axis(name="batch", values=tuple(batch)),
                       Axis(name="timeout_ms", values=tuple(timeout_ms), stretch=stretch["timeout_ms"]),
                       Axis(name="devices", values=tuple(devices), stretch=stretch["devices"]),
                       Axis(name="period", values=tuple(period), stretch=stretch["period"]),
                       Axis(name="clock", values=tuple(clock), stretch=stretch["clock"])))
