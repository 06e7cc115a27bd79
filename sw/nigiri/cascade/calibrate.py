"""Calibration: from a confidence to the probability that the answer is right.

Source: Platt scaling with binned outputs is Kumar, Liang, Ma, "Verified Uncertainty Calibration", NeurIPS 2019 (their
"scaling-binning calibrator"); temperature scaling is Guo et al., ICML 2017.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.cascade.confidence import softmax
from nigiri.cascade.errors import CascadeError

__all__ = ["PlattBinning", "expected_calibration_error", "temperature"]

EPS = 1e-6


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, EPS, 1 - EPS)
    return np.asarray(np.log(p) - np.log1p(-p))


@dataclass(frozen=True, eq=False)
class PlattBinning:
    """A logistic curve over the logit of the confidence, its values averaged in bins of equal mass.

    Parameters
    ----------
    slope, offset: of the curve.
    edges: float64 [bins - 1], ascending, of the curve's values.
    values: float64 [bins], calibrated confidence by bin.
    """

    slope: float
    offset: float
    edges: np.ndarray
    values: np.ndarray

    @classmethod
    def fit(cls, confidence: np.ndarray, correct: np.ndarray, bins: int = 100) -> PlattBinning:
        """From confidences in [0, 1] and whether each answer was right.

        Raises
        ------
        CascadeError: different lengths, fewer than 2 samples a bin, or only right or only wrong answers.
        """
        from scipy.optimize import minimize

        c, y = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
        if c.shape != y.shape or c.ndim != 1 or bins < 1 or len(c) < 2 * bins:
            raise CascadeError(f"calibration needs as many answers as confidences and 2 for each of at least 1 bin, "
                               f"not {y.shape}, {c.shape} and {bins} bins")
        if not 0 < y.mean() < 1:
            raise CascadeError("calibration needs right and wrong answers: take more samples")
        x = _logit(c)
        # Platt's targets keep the curve finite where the classes can be told apart completely.
        right, wrong = y.sum(), len(y) - y.sum()
        t = np.where(y > 0, (right + 1) / (right + 2), 1 / (wrong + 2))

        def loss(ab: np.ndarray) -> tuple[float, np.ndarray]:
            z = ab[0] * x + ab[1]
            p = 1 / (1 + np.exp(-np.clip(z, -500, 500)))
            return float((np.logaddexp(0, z) - t * z).mean()), np.array([((p - t) * x).mean(), (p - t).mean()])

        ab = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
        p = 1 / (1 + np.exp(-(ab[0] * x + ab[1])))
        edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
        place = np.searchsorted(edges, p, side="right")
        count = np.bincount(place, minlength=len(edges) + 1)
        sums = np.bincount(place, p, minlength=len(edges) + 1)
        middle = np.interp(np.arange(len(count)), np.flatnonzero(count), sums[count > 0] / count[count > 0])
        return cls(float(ab[0]), float(ab[1]), edges, middle)

    def __call__(self, confidence: np.ndarray) -> np.ndarray:
        """Calibrated confidence, float64, the same shape."""
        p = 1 / (1 + np.exp(-(self.slope * _logit(np.asarray(confidence, np.float64)) + self.offset)))
        return np.asarray(self.values[np.searchsorted(self.edges, p, side="right")])


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The unit of logits [n, classes] with which their softmax has the smallest cross-entropy to `labels`.

    Raises
    ------
    CascadeError: shapes that do not agree.
    """
    from scipy.optimize import minimize_scalar

    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise CascadeError(f"temperature needs logits [n, classes] and n labels, not {logits.shape} and {labels.shape}")
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        return float(-np.log(softmax(logits, float(np.exp(log_t)))[rows, labels] + 1e-300).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-6, 6), method="bounded").x))


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and share of right answers over bins of equal mass, in [0, 1]."""
    order = np.argsort(confidence, kind="stable")
    parts = [p for p in np.array_split(order, bins) if len(p)]
    return float(sum(len(p) * abs(confidence[p].mean() - correct[p].mean()) for p in parts) / len(order))
