"""Accuracy of a SubNet from what it is made of: ridge regression over SubNets that were measured."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nigiri.hybrid.space import ATTENTION, HybridConfig, HybridSpace
from nigiri.runtime.errors import BadArgument

__all__ = ["AccuracyModel", "config_of", "features", "fit"]

PENALTY = 0.3
"""Of the squared weights; the left-out error is flat from 0.1 to 1."""


def config_of(row: Mapping[str, Any]) -> HybridConfig:
    """The SubNet of a measured row, as JSON has it."""
    lists = {key: tuple(row[key]) for key in ("depths", "expands", "kernels", "kinds", "heads")}
    return HybridConfig(**lists, norm=row["norm"])


def features(space: HybridSpace, config: HybridConfig) -> np.ndarray:
    """float64: 1; per block whether it is used, its expansion, its kernel; if it may be attention whether it is, with
    which normaliser, how many heads and what feed-forward part."""
    on, out = {n for n, _ in space.active(config)}, [1.0]
    for n, b in enumerate(space.blocks):
        used, attention = n in on, n in on and config.kinds[n] == ATTENTION
        wide = config.expands[n] / max(b.expands)
        out += [float(used)] if b.index >= min(space.stages[b.stage].depths) else []
        out += [wide * used, float(used and not attention and config.kernels[n] > min(b.kernels))]
        if space.elastic(b):
            heads = np.log2(config.heads[n]) / max(1.0, np.log2(max(space.heads)))
            out += [float(attention), float(attention and config.norm == "softmax"), heads * attention,
                    wide * attention]
    return np.array(out)


@dataclass(frozen=True, kw_only=True, eq=False)
class AccuracyModel:
    """error: root of the mean squared error of each measured SubNet when it is left out, points."""

    space: HybridSpace
    mean: float
    weights: np.ndarray
    error: float

    def predict(self, config: HybridConfig) -> float:
        """Percent."""
        return self.mean + float(features(self.space, config) @ self.weights)


def fit(space: HybridSpace, configs: Sequence[HybridConfig], accuracy: Sequence[float]) -> AccuracyModel:
    """The model of measured accuracies, percent.

    Raises
    ------
    BadArgument: fewer than ten SubNets.
    """
    if len(configs) < 10:
        raise BadArgument(f"an accuracy model needs at least 10 measured SubNets, not {len(configs)}")
    x, y = np.array([features(space, c) for c in configs]), np.asarray(accuracy, np.float64)
    mean = float(y.mean())
    inverse = np.linalg.inv(x.T @ x + PENALTY * np.eye(x.shape[1]))
    weights = inverse @ x.T @ (y - mean)
    # Leaving one out, in closed form; the mean is that of all.
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    left_out = (y - mean - x @ weights) / (1 - leverage)
    return AccuracyModel(space=space, mean=mean, weights=weights, error=float(np.sqrt((left_out**2).mean())))
