"""How sure a model is of its answer, before calibration."""
from __future__ import annotations

from typing import Literal

import numpy as np

from nigiri.cascade.errors import CascadeError

__all__ = ["Measure", "confidence", "softmax"]

Measure = Literal["square", "top", "margin"]


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities along the last axis, float64."""
    z = np.asarray(logits, np.float64) / temperature
    z = z - z.max(axis=-1, keepdims=True)
    e = np.exp(z)
    out: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return out


def confidence(logits: np.ndarray, measure: Measure = "square", temperature: float = 1.0) -> np.ndarray:
    """Confidence in the largest class, float64 [...] in [0, 1], from logits [..., classes].

    "square" is the largest softmax probability squared (HybridServe's prototype), "top" that probability, "margin" its
    distance to the second.  `temperature` is the unit of the logits: integer codes need the one that
    :func:`nigiri.cascade.calibrate.temperature` finds.

    Raises
    ------
    CascadeError: another measure, a temperature that is not positive, or fewer than two classes.
    """
    if measure not in ("square", "top", "margin"):
        raise CascadeError(f"measure must be 'square', 'top' or 'margin', not {measure!r}")
    if temperature <= 0 or np.shape(logits)[-1:] in ((), (0,), (1,)):
        raise CascadeError(f"confidence needs a positive temperature and at least two classes, not {temperature} and "
                           f"logits of shape {np.shape(logits)}")
    p = np.sort(softmax(logits, temperature), axis=-1)
    if measure == "margin":
        return np.asarray(p[..., -1] - p[..., -2])
    return np.asarray(p[..., -1] ** 2 if measure == "square" else p[..., -1])
