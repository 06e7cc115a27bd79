"""Which models and which thresholds: found on held-out images, as cheap as an accuracy allows.

Source: HybridServe's prototype searches a grid of 100 thresholds a model, all combinations, at most 100,000 of them
drawn at random.  :func:`grid_search` is that.  :func:`search` goes over all sets of models as well, and moves one
threshold at a time.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nigiri.cascade.errors import CascadeError
from nigiri.cascade.simulate import Outcome, run_cascade

__all__ = ["Cascade", "Standard", "evaluate", "grid_search", "pareto", "search"]

GRID = np.linspace(0, 1, 100)
MOST = 100_000
"""Combinations that a grid search tries."""
ROUNDS = 3


@dataclass(frozen=True)
class Cascade:
    """Models (rows) from small to large, thresholds of all but the last; accuracy and energy where it was chosen."""

    models: tuple[int, ...]
    thresholds: tuple[float, ...]
    accuracy: float
    energy: float


def evaluate(cascade: Cascade, confidence: np.ndarray, correct: np.ndarray, energy: np.ndarray, *,
             skip: bool = True) -> Outcome:
    """Serve images with a cascade.

    confidence, correct: [models, images] of all models there are; or [models, models, images], where the first index is
    the first model of the cascade, whose logits those behind it take into account.
    """
    c, y = (_rows(x, cascade.models) for x in (confidence, correct))
    return run_cascade(c, y, np.array(cascade.thresholds), energy[list(cascade.models)], skip=skip)


def _rows(values: np.ndarray, models: tuple[int, ...]) -> np.ndarray:
    out: np.ndarray = values[list(models)] if values.ndim == 2 else values[models[0], list(models)]
    return out


@dataclass(frozen=True, eq=False)
class Standard:
    """What a cascade is held against: another model on the same images.

    Parameters
    ----------
    right: bool [images], the other model's answers.
    tolerance: how much less accurate the cascade may be, in shares.
    sigmas: standard errors of the difference by which it must be better than that.  The difference is paired: images
        that both answer alike say nothing, so that its error is far below that of an accuracy.
    """

    right: np.ndarray
    tolerance: float = 0.0
    sigmas: float = 0.0

    def short(self, right: np.ndarray) -> float:
        """By how much answers miss it; 0 or less when they hold."""
        difference = right.astype(np.float64) - self.right
        error = float(difference.std()) / len(difference) ** 0.5
        return -self.tolerance - float(difference.mean()) + self.sigmas * error


def _vectors(models: int, most: int, seed: int) -> Iterator[tuple[float, ...]]:
    total = len(GRID) ** (models - 1)
    picks: Sequence[int] | np.ndarray = range(total)
    if total > most:
        # Not all of 100^9 numbers at once: draw, and leave out what comes twice.
        picks = np.unique(np.random.default_rng(seed).integers(0, min(total, 2**62), most))
    for n in picks:
        vector, rest = list[float](), int(n)
        for _ in range(models - 1):
            rest, digit = divmod(rest, len(GRID))
            vector.append(float(GRID[digit]))
        yield tuple(vector)


def grid_search(confidence: np.ndarray, correct: np.ndarray, energy: np.ndarray, *, least: float, skip: bool = True,
                seed: int = 106033, most: int = MOST) -> Cascade:
    """The cheapest thresholds over all models of which accuracy is at least `least`, as the prototype searches.

    Raises
    ------
    CascadeError: no vector reaches it.
    """
    models = tuple(range(len(energy)))
    best: Cascade | None = None
    for vector in _vectors(len(models), most, seed):
        o = run_cascade(confidence, correct, np.array(vector), energy, skip=skip)
        if o.accuracy >= least and (best is None or o.energy < best.energy):
            best = Cascade(models, vector, o.accuracy, o.energy)
    return _found(best, least)


def _found(best: Cascade | None, least: float) -> Cascade:
    if best is None:
        raise CascadeError(f"no thresholds reach an accuracy of {100 * least:.2f} %: ask for less")
    return best


def _descend(models: tuple[int, ...], confidence: np.ndarray, correct: np.ndarray, energy: np.ndarray,
             standard: Standard, skip: bool) -> list[tuple[float, Cascade]]:
    """(by how much it misses the standard, cascade) of all met on the way to the cheapest, one threshold at a time."""
    c, y, e = _rows(confidence, models), _rows(correct, models), energy[list(models)]
    # Between a threshold of nearly everything and of nearly nothing, where the confidences are.
    grids = [np.unique(np.quantile(c[m], np.linspace(0.01, 0.99, 25))) for m in range(len(models) - 1)]
    vector = np.array([np.quantile(c[m], 0.4) for m in range(len(models) - 1)])
    met: dict[tuple[float, ...], tuple[float, Cascade]] = {}

    def value(v: np.ndarray) -> tuple[bool, float]:
        key = tuple(float(x) for x in v)
        if key not in met:
            o = run_cascade(c, y, v, e, skip=skip)
            met[key] = standard.short(o.right), Cascade(models, key, o.accuracy, o.energy)
        short, x = met[key]
        # First hold the standard, then be cheap.
        return short > 0, x.energy if short <= 0 else short

    for _ in range(ROUNDS):
        before = vector.copy()
        for m, grid in enumerate(grids):
            options = [np.concatenate([vector[:m], [t], vector[m + 1:]]) for t in grid]
            vector = min([vector, *options], key=value)
        if (vector == before).all():
            break
    return list(met.values())


def search(confidence: np.ndarray, correct: np.ndarray, energy: np.ndarray, standard: Standard, *,
           sizes: Sequence[int] = (2, 3), skip: bool = True) -> tuple[Cascade, list[Cascade]]:
    """(the cheapest cascade that holds the standard, all that were tried), over all sets of `sizes` models.

    Arrays are as in :func:`evaluate`.

    Raises
    ------
    CascadeError: none holds it.
    """
    tried: list[tuple[float, Cascade]] = []
    for size in sizes:
        for models in combinations(range(len(energy)), size):
            tried += _descend(models, confidence, correct, energy, standard, skip)
    good = [x for short, x in tried if short <= 0]
    least = float(standard.right.mean()) - standard.tolerance
    return _found(min(good, key=lambda x: x.energy, default=None), least), [x for _, x in tried]


def pareto(cascades: Sequence[Cascade]) -> list[Cascade]:
    """Those that no other is at once cheaper and more accurate than, from cheap to accurate."""
    out: list[Cascade] = []
    for x in sorted(cascades, key=lambda x: (x.energy, -x.accuracy)):
        if not out or x.accuracy > out[-1].accuracy:
            out.append(x)
    return out
