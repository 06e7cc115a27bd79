"""Tuning while the load changes: a table of values for each level of load, chosen by the rate that was measured."""
from __future__ import annotations

from collections.abc import Callable
from math import floor, log

from nigiri.tune.baselines import EpsilonGreedy
from nigiri.tune.errors import TuneError

__all__ = ["Levels", "OnlineTuner"]


class Levels:
    """Levels of load: level n holds rates from base * ratio^n to base * ratio^(n + 1).

    Parameters
    ----------
    base: queries a second at the lower edge of level 0.
    ratio: of one level to the one below, above 1.
    margin: a level is left when the rate is outside it by this share of a level; noise at an edge then changes nothing.
    smooth: weight of a new measurement of the rate against what was measured before, above 0 to 1.

    Raises
    ------
    TuneError: a number out of its range.
    """

    def __init__(self, *, base: float, ratio: float = 1.4, margin: float = 0.2, smooth: float = 0.5) -> None:
        if base <= 0 or ratio <= 1 or margin < 0 or not 0 < smooth <= 1:
            raise TuneError("levels need a positive base, a ratio above 1, a margin of 0 or more and smooth above 0 to "
                            f"1, not {base}, {ratio}, {margin} and {smooth}")
        self.base, self.ratio, self.margin, self.smooth = base, ratio, margin, smooth
        self.rate: float | None = None
        self.level = 0

    def see(self, rate: float) -> int:
        """The level after one more measurement of the rate, queries/s."""
        if rate <= 0:
            raise TuneError(f"a measured rate must be positive, not {rate} queries/s")
        first = self.rate is None
        self.rate = rate if self.rate is None else self.rate + self.smooth * (rate - self.rate)
        at = log(self.rate / self.base) / log(self.ratio)
        if first or not self.level - self.margin <= at < self.level + 1 + self.margin:
            self.level = floor(at)
        return self.level


class OnlineTuner:
    """One learner for each level.

    A level that is new begins with the values of the nearest known one, the higher of two that are equally near, and
    tries that one's best configuration first: what serves a higher load serves a lower one, and costs only power.

    Parameters
    ----------
    make: a learner for a level.
    safe: the configuration that is tried first of all.
    carry: what values of another level are worth, see :meth:`nigiri.tune.EpsilonGreedy.warm`; 0 begins with nothing.
    """

    def __init__(self, make: Callable[[int], EpsilonGreedy], levels: Levels, safe: int, *, carry: float = 0.1) -> None:
        self.make, self.levels, self.safe, self.carry = make, levels, safe, carry
        self.tables: dict[int, EpsilonGreedy] = {}
        self.level = 0

    def choose(self, rate: float) -> int:
        """The configuration of the next window, after `rate` queries/s were measured."""
        self.level = self.levels.see(rate)
        if self.level in self.tables:
            return self.tables[self.level].choose()
        table = self.make(self.level)
        first = self.safe
        if self.tables:
            near = min(self.tables, key=lambda n: (abs(n - self.level), -n))
            first = self.tables[near].best()
            if self.carry > 0:
                table.warm(self.tables[near], self.carry)
        self.tables[self.level] = table
        return first

    def learn(self, index: int, reward: float) -> None:
        """What the window with `index` earned."""
        self.tables[self.level].learn(index, reward)

    def best(self) -> dict[int, int]:
        """The configuration recommended for each level met so far."""
        return {n: t.best() for n, t in sorted(self.tables.items())}
