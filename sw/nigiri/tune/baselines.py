"""What region-based learning is measured against: plain epsilon-greedy, random search and exhaustive search.

A learner is asked for a configuration, is told the reward of one window with it, and can say at any time which
configuration it takes for the best.
"""
from __future__ import annotations

from typing import Protocol

import numpy as np

from nigiri.tune.errors import TuneError

__all__ = ["EpsilonGreedy", "Exhaustive", "Learner", "RandomSearch"]


class Learner(Protocol):
    """Configurations are numbers from 0 on; a higher reward is better."""

    def choose(self) -> int:
        """The configuration to try next."""
        ...

    def learn(self, index: int, reward: float) -> None:
        """One window with `index` earned `reward`."""
        ...

    def best(self) -> int:
        """The configuration recommended now."""
        ...


class EpsilonGreedy:
    """A mean reward for each configuration; mostly the best of them is tried, sometimes any.

    Parameters
    ----------
    count: of configurations.
    epsilon: chance of trying any configuration, 0 to 1.
    half: evaluations after which that chance has halved; None keeps it.
    initial: value of what was never tried.  None makes it the worst there is, so that only `epsilon` leads to it; one
        above every reward makes the learner try everything once.
    step: least weight of a new reward in a value, 0 to 1: values forget at this speed what is long ago.

    Raises
    ------
    TuneError: a number out of its range.
    """

    def __init__(self, count: int, *, epsilon: float = 0.1, half: float | None = None, initial: float | None = None,
                 step: float = 0.0, seed: int = 0) -> None:
        if count < 1 or not 0 <= epsilon <= 1 or not 0 <= step <= 1 or (half is not None and half <= 0):
            raise TuneError("a learner needs at least one configuration, epsilon and step between 0 and 1 and a "
                            f"positive half, not {count}, {epsilon}, {step} and {half}")
        self.count, self.epsilon, self.half, self.step = count, epsilon, half, step
        self.values: np.ndarray = np.full(count, -np.inf if initial is None else initial)
        self.mass: np.ndarray = np.zeros(count)
        """How many rewards, or parts of them, are in a value."""
        self.visits: np.ndarray = np.zeros(count, np.int64)
        self.evaluations = 0
        self.random = np.random.default_rng(seed)

    def choose(self) -> int:
        chance = self.epsilon * (0.5 ** (self.evaluations / self.half) if self.half else 1.0)
        if self.random.random() < chance:
            return self.explore()
        top = np.flatnonzero(self.values == self.values.max())
        return int(top[self.random.integers(len(top))]) if len(top) > 1 else int(top[0])

    def explore(self) -> int:
        """Any configuration."""
        return int(self.random.integers(self.count))

    def learn(self, index: int, reward: float) -> None:
        self.evaluations += 1
        self.visits[index] += 1
        self.mass[index] += 1
        if not np.isfinite(self.values[index]):
            self.values[index] = reward
        self.values[index] += max(1 / self.mass[index], self.step) * (reward - self.values[index])

    def warm(self, other: EpsilonGreedy, carry: float = 0.1) -> None:
        """Begin with the values of another learner, each worth `carry` of a reward at most; nothing counts as tried."""
        self.values = other.values.copy()
        self.mass = np.minimum(other.mass, carry)

    def best(self) -> int:
        """Of what was tried."""
        return int(np.where(self.visits > 0, self.values, -np.inf).argmax())


class Exhaustive:
    """Every configuration once, in the order of the grid, and again; the best mean so far is recommended."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise TuneError(f"a learner needs at least one configuration, not {count}")
        self.order = np.arange(count)
        self.evaluations = 0
        self.sums, self.visits = np.zeros(count), np.zeros(count, np.int64)
        self.means: np.ndarray = np.full(count, -np.inf)

    def choose(self) -> int:
        return int(self.order[self.evaluations % len(self.order)])

    def learn(self, index: int, reward: float) -> None:
        self.evaluations += 1
        self.sums[index] += reward
        self.visits[index] += 1
        self.means[index] = self.sums[index] / self.visits[index]

    def best(self) -> int:
        return int(self.means.argmax())


class RandomSearch(Exhaustive):
    """The same in a random order, another one in each pass."""

    def __init__(self, count: int, *, seed: int = 0) -> None:
        super().__init__(count)
        self.random = np.random.default_rng(seed)

    def choose(self) -> int:
        if self.evaluations % len(self.order) == 0:
            self.random.shuffle(self.order)
        return super().choose()
