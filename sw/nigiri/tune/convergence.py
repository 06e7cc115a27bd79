"""How many evaluations a learner needs until what it recommends is nearly the best."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nigiri.tune.bank import Bank
from nigiri.tune.baselines import Learner
from nigiri.tune.errors import TuneError

__all__ = ["Run", "quartiles", "run"]
STEADY = 0.95
"""Share of later recommendations that must be good."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One learner on one bank.

    Parameters
    ----------
    excess: float64 [evaluations], by how much what is recommended costs more than the best: 0.05 is 5 %.
    paid: mean cost of what was tried, over the best's cost, less 1: what learning itself costs.
    first: evaluations until the recommendation is within the margin for the first time; None when it never is.
    stays: evaluations until it is within the margin and stays so in at least 95 % of all later ones (a lucky window of
        another configuration turns a recommendation for an evaluation or two); None when it does not in the second
        half of the run.
    """

    excess: np.ndarray
    paid: float
    first: int | None
    stays: int | None


def run(learner: Learner, bank: Bank, evaluations: int, seed: int, margin: float = 0.05) -> Run:
    """Let a learner try configurations, each in a random window of the bank.  Equal seeds draw equal windows.

    Raises
    ------
    TuneError: no evaluations, or a negative margin.
    """
    if evaluations < 1 or margin < 0:
        raise TuneError(f"a run needs at least one evaluation and no negative margin, not {evaluations} and {margin}")
    rng = np.random.default_rng(seed)
    tried, advised = np.empty(evaluations, np.int64), np.empty(evaluations, np.int64)
    for n in range(evaluations):
        tried[n] = i = learner.choose()
        learner.learn(int(i), bank.draw(int(i), rng))
        advised[n] = learner.best()
    cost = bank.values / bank.values[bank.best] - 1
    good = bank.near(margin)[advised]
    # Share of good ones from each evaluation on.
    later = np.cumsum(good[::-1])[::-1] / np.arange(evaluations, 0, -1)
    steady = np.flatnonzero(good & (later >= STEADY))
    return Run(excess=cost[advised], paid=float(cost[tried].mean()),
               first=int(good.argmax()) + 1 if good.any() else None,
               stays=int(steady[0]) + 1 if len(steady) and steady[0] < evaluations / 2 else None)


def quartiles(counts: list[int | None], evaluations: int) -> dict[str, Any]:
    """Median and quartiles of evaluations; runs that never came there count as longer than all others.

    A quartile that falls on such a run is None.
    """
    x = np.sort([evaluations * 2 if c is None else c for c in counts])
    at = [float(np.percentile(x, p, method="higher")) for p in (25, 50, 75)]
    low, middle, high = (None if v > evaluations else v for v in at)
    return {"q25": low, "median": middle, "q75": high, "reached": sum(c is not None for c in counts), "of": len(counts)}
