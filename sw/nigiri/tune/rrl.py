"""Region-based reinforcement learning: what one configuration earns says something about those that are like it."""
from __future__ import annotations

from typing import Literal

import numpy as np

from nigiri.tune.baselines import EpsilonGreedy
from nigiri.tune.errors import TuneError

__all__ = ["RRL", "Kernel", "Shrink", "weights"]

Kernel = Literal["triangle", "gauss", "box"]
Shrink = Literal["visits", "pair", "time"]


def weights(distances: np.ndarray, radius: float | np.ndarray, kernel: Kernel = "triangle") -> np.ndarray:
    """How much a reward counts at each distance: 1 at 0, nothing at `radius` and beyond.

    "triangle" falls evenly, "gauss" as exp(-(2 d / radius)^2 / 2) does, "box" not at all.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = np.where(distances == 0, 0.0, distances / radius)
    inside = x < 1
    if kernel == "box":
        return inside.astype(np.float64)
    out = 1 - x if kernel == "triangle" else np.exp(-2 * np.where(inside, x, 1.0) ** 2)
    return np.where(inside, out, 0.0)


class RRL(EpsilonGreedy):
    """A reward R of configuration a moves the value V of every a' in a region around it:

        V[a'] += max(1 / M[a'], step) w (R - V[a']),    w = weight of the distance from a to a',   M[a'] += w

    The region starts with `radius` and shrinks, so that values become those of single configurations.  With radius 0
    this is :class:`EpsilonGreedy`, choice by choice.

    Source: region-based reinforcement learning of the parallelism of DNN serving (SC 2019): the update of a region
    whose radius shrinks with visits, and epsilon-greedy choice.  Kernel, metric, rate, `own`, `prior` and `local` are
    ours.

    Parameters
    ----------
    distances: float [configurations, configurations], of a :class:`nigiri.tune.Space`.
    radius: in the unit of the distances, where an axis of stretch 1 is 1 long.
    shrink, factor: "visits" multiplies the radius around a by `factor` for each visit of a; "pair" counts the visits of
        a or of a', whichever has more.  "time": it falls with all evaluations t as (1 + t / 50) ^ -factor.
    own: a configuration that was tried is worth what it earned itself; regions say something about untried ones only.
    initial: value before anything is known, None for the worst there is.  One above every reward is optimistic:
        regions then take the optimism away from what is like something bad, and what nothing is known about is tried
        first; slower, and more certain to find the best.
    prior: how many rewards the initial value weighs against those of a region.
    local: of what epsilon explores, the share that is drawn from the region around the best instead of from everything,
        nearer ones more often.  A mean over a region is never above its best member, so that greed alone does not look
        beside it.
    logarithm: values are means of -log(-R) instead of R, for rewards below 0 that are costs with their sign changed.
        What is near a cliff then suffers less from what lies below it.
    """

    def __init__(self, distances: np.ndarray, *, radius: float = 0.6, kernel: Kernel = "triangle",
                 shrink: Shrink = "visits", factor: float = 0.7, own: bool = True, initial: float | None = None,
                 prior: float = 0.1, local: float = 0.5, epsilon: float = 0.1, half: float | None = None,
                 step: float = 0.0, logarithm: bool = False, seed: int = 0) -> None:
        super().__init__(len(distances), epsilon=epsilon, half=half, initial=initial, step=step, seed=seed)
        if distances.shape != (self.count, self.count):
            raise TuneError(f"distances must be a square matrix, not {distances.shape}")
        if radius < 0 or not 0 <= factor <= 1 or prior < 0 or not 0 <= local <= 1:
            raise TuneError("radius and prior must be 0 or more, factor and local between 0 and 1, not "
                            f"{radius}, {prior}, {factor} and {local}")
        if kernel not in ("triangle", "gauss", "box") or shrink not in ("visits", "pair", "time"):
            raise TuneError("kernel must be 'triangle', 'gauss' or 'box', and shrink 'visits', 'pair' or 'time', not "
                            f"{kernel!r} and {shrink!r}")
        self.distances, self.radius, self.kernel = distances, radius, kernel
        self.shrink, self.factor, self.own, self.local = shrink, factor, own, local
        self.prior = 0.0 if initial is None else prior
        self.logarithm = logarithm

    def region(self, index: int) -> float | np.ndarray:
        """The radius around a configuration now, for all others or by configuration."""
        if self.shrink == "time":
            return float(self.radius * (1 + self.evaluations / 50) ** -self.factor)
        if self.shrink == "visits":
            return float(self.radius * self.factor ** self.visits[index])
        return np.asarray(self.radius * self.factor ** np.maximum(self.visits, self.visits[index]))

    def explore(self) -> int:
        if self.radius > 0 and self.local > 0 and self.evaluations and self.random.random() < self.local:
            best = self.best()
            w = weights(self.distances[best], self.radius, self.kernel)
            w[best] = 0.0
            if total := w.sum():
                return int(self.random.choice(self.count, p=w / total))
        return super().explore()

    def learn(self, index: int, reward: float) -> None:
        if self.logarithm:
            if reward >= 0:
                raise TuneError(f"with logarithm every reward must be below 0, not {reward}")
            reward = -float(np.log(-reward))
        radius = self.region(index)
        inside = self.distances[index] < radius
        if self.own:
            inside &= self.visits == 0
            if not self.visits[index]:
                self.mass[index] = 0.0
        inside[index] = True
        at = np.flatnonzero(inside)
        w = weights(self.distances[index, at], radius[at] if isinstance(radius, np.ndarray) else radius, self.kernel)
        self.evaluations += 1
        self.visits[index] += 1
        self.mass[at] += w
        below = self.mass[at] + (np.where(self.visits[at] > 0, 0.0, self.prior) if self.own else self.prior)
        old = self.values[at]
        old[~np.isfinite(old)] = reward
        self.values[at] = old + w * np.maximum(1 / below, self.step) * (reward - old)
