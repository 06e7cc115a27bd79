"""How a SuperNet is trained: everything that decides the result, in one checked record.  Pure Python; no torch."""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PHASES", "BadRecipe", "Recipe"]

PHASES = ("sandwich", "progressive", "incremental")
"""Names of schedules in :mod:`nigiri.supernet.phases`."""


class BadRecipe(ValueError):
    """A training setting that cannot work."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of :func:`nigiri.supernet.train.train`.

    epochs: of the whole schedule.  batch: images a step.  peak: highest learning rate.  warmup: share of the schedule
    in which it rises.  decay: weight decay of convolutions.  randoms: random SubNets a step, besides the smallest and
    the largest.  students: each of these sees one in so many images of the batch.  hole: side of the grey square in
    every image; plain: last epochs without it.  smooth: label smoothing.  average: what the averaged weights keep at
    each step.  pool: random SubNets to draw from, 0 for the whole space (CUDA graphs need a pool).  phases: how the
    space grows, see :mod:`nigiri.supernet.phases`.  quantised: last epochs in which every pass rounds weights and
    activations as the integer network will (:mod:`nigiri.supernet.qat`).
    """

    epochs: int = 24
    batch: int = 128
    peak: float = 0.1
    warmup: float = 0.15
    decay: float = 5e-4
    randoms: int = 1
    students: int = 2
    hole: int = 8
    plain: int = 0
    smooth: float = 0.0
    average: float = 0.999
    pool: int = 0
    phases: str = "sandwich"
    quantised: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        rules = {"epochs": self.epochs >= 1, "batch": self.batch >= 1, "peak": self.peak > 0,
                 "warmup": 0 < self.warmup < 1, "decay": self.decay >= 0, "randoms": self.randoms >= 0,
                 "students": 1 <= self.students <= self.batch, "hole": self.hole >= 0,
                 "plain": 0 <= self.plain <= self.epochs, "smooth": 0 <= self.smooth < 1,
                 "average": 0 <= self.average < 1, "pool": self.pool >= 0,
                 "phases": self.phases in PHASES, "quantised": 0 <= self.quantised <= self.epochs}
        for name, holds in rules.items():
            if not holds:
                raise BadRecipe(f"the training setting {name} cannot be {getattr(self, name)!r}: see nigiri.supernet."
                                f"recipe.Recipe for what it means")

    def learning_rate(self, progress: float) -> float:
        """Linear up to `peak`, then linear down to zero; `progress` in [0, 1]."""
        if progress < self.warmup:
            return self.peak * progress / self.warmup
        return self.peak * (1 - progress) / (1 - self.warmup)

    def hole_at(self, epoch: int) -> int:
        """Side of the grey square in epoch `epoch`, counted from 0."""
        return self.hole if epoch < self.epochs - self.plain else 0

    def rounds_at(self, epoch: int) -> bool:
        """Whether epoch `epoch`, counted from 0, trains for integers."""
        return epoch >= self.epochs - self.quantised
