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

__all__ = ["Cascade", "evaluate", "grid_search", "pareto", "search"]

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
    """Serve images with a cascade; rows of the arrays are all models there are."""
    rows = list(cascade.models)
    return run_cascade(confidence[rows], correct[rows], np.array(cascade.thresholds), energy[rows], skip=skip)


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


def _descend(models: tuple[int, ...], confidence: np.ndarray, correct: np.ndarray, energy: np.ndarray, least: float,
             skip: bool) -> list[Cascade]:
    """Cascades of `models` met on the way to the cheapest one of accuracy `least`, one threshold at a time."""
    rows = list(models)
    c, y, e = confidence[rows], correct[rows], energy[rows]
    # Between a threshold of nearly everything and of nearly nothing, where the confidences are.
    grids = [np.unique(np.quantile(c[m], np.linspace(0.01, 0.99, 40))) for m in range(len(rows) - 1)]
    vector = np.array([np.quantile(c[m], 0.4) for m in range(len(rows) - 1)])
    met: dict[tuple[float, ...], Cascade] = {}

    def value(v: np.ndarray) -> tuple[bool, float]:
        key = tuple(float(x) for x in v)
        if key not in met:
            o = run_cascade(c, y, v, e, skip=skip)
            met[key] = Cascade(models, key, o.accuracy, o.energy)
        x = met[key]
        # First reach the accuracy, then be cheap.
        return x.accuracy < least, x.energy if x.accuracy >= least else -x.accuracy

    for _ in range(ROUNDS):
        before = vector.copy()
        for m, grid in enumerate(grids):
            options = [np.concatenate([vector[:m], [t], vector[m + 1:]]) for t in grid]
            vector = min([vector, *options], key=value)
        if (vector == before).all():
            break
    return list(met.values())


def search(confidence: np.ndarray, correct: np.ndarray, energy: np.ndarray, *, least: float,
           sizes: Sequence[int] = (2, 3), skip: bool = True, last: int | None = None) -> tuple[Cascade, list[Cascade]]:
    """(the cheapest cascade of accuracy at least `least`, all that were tried), over sets of models.

    Parameters
    ----------
    sizes: of the sets.  last: the model at the end of every cascade; None takes any.

    Raises
    ------
    CascadeError: none reaches it.
    """
    tried: list[Cascade] = []
    for size in sizes:
        for models in combinations(range(len(energy)), size):
            if last is None or models[-1] == last:
                tried += _descend(models, confidence, correct, energy, least, skip)
    good = [x for x in tried if x.accuracy >= least]
    return _found(min(good, key=lambda x: x.energy, default=None), least), tried


def pareto(cascades: Sequence[Cascade]) -> list[Cascade]:
    """Those that no other is at once cheaper and more accurate than, from cheap to accurate."""
    out: list[Cascade] = []
    for x in sorted(cascades, key=lambda x: (x.energy, -x.accuracy)):
        if not out or x.accuracy > out[-1].accuracy:
            out.append(x)
    return out
