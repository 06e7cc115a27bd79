"""The load shape that comes with the package, and the one of SuperServe for who has the trace."""
from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.traffic.azure import functions_2019
from nigiri.traffic.scale import Spread, from_counts

__all__ = ["azure_shape", "functions_shape", "shape"]


def shape() -> dict[str, Any]:
    """The shipped counts: `bin_s`, `counts` by bin, `source` and `licence`."""
    out: dict[str, Any] = json.loads(files("nigiri").joinpath("data", "azure_shape.json").read_text())
    return out


def azure_shape(duration_s: float = 120.0, mean_rate: float = 6400.0, *, peak: float | None = None,
                spread: Spread = "uniform", seed: int = 0) -> np.ndarray:
    """Arrivals in the shape of real requests: one hour of Azure's LLM inference service (2023), squeezed.

    SuperServe (NSDI 2025) squeezes a day of Azure Functions (2019), 1,440 minutes, into 120 s at a mean of 6,400
    queries/s with spikes to 8,750, 1.37 times the mean.  That trace is not part of the package; this one has the
    requests of two LLM services added up, by minute as well.  It has 58 minutes, so that each becomes 2 s, and its
    largest minute is 1.8 times the mean; `peak` limits that.

    Raises
    ------
    TrafficError: see :func:`nigiri.traffic.from_counts`.
    """
    counts = np.array(shape()["counts"])
    return from_counts(counts, duration_s / len(counts), mean_rate, peak=peak, spread=spread, seed=seed)


def functions_shape(path: Path, duration_s: float = 120.0, mean_rate: float = 6400.0, *,
                    functions: int | None = 32_700, seed: int = 0) -> np.ndarray:
    """SuperServe's own load: a file of the 2019 Azure Functions trace, its minutes squeezed into `duration_s`.

    Raises
    ------
    TrafficError: see :func:`nigiri.traffic.functions_2019`.
    """
    counts = functions_2019(path, functions)
    return from_counts(counts, duration_s / len(counts), mean_rate, seed=seed)
