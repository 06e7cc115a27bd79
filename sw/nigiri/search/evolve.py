"""Evolutionary search for a Pareto front, and random search to compare with.

Once-for-All's operators (Cai et al., ICLR 2020, section 3.4): half of the children are mutations, half crossings.
Its search keeps the most accurate SubNets under one budget; here all budgets count, so that parents and survivors are
chosen by front and crowding as in NSGA-II (Deb et al., 2002), and of the children those are evaluated whose guessed
cost promises most.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nigiri.search.cost import Cost
from nigiri.search.errors import SearchError
from nigiri.search.evaluate import Evaluator, Progress
from nigiri.search.front import crowding, front, ranks
from nigiri.search.predictor import Score
from nigiri.search.screen import Screen
from nigiri.zoo.plan import Choice
from nigiri.zoo.space import Space

__all__ = ["OBJECTIVES", "Evaluated", "Settings", "evaluate", "evolve", "random_search"]

OBJECTIVES: dict[str, tuple[str, Callable[[Cost], float]]] = {
    "latency": ("ms", lambda c: c.ms), "energy": ("mJ", lambda c: c.mj),
    "weights": ("MiB of weights", lambda c: c.weight_bytes / 2**20)}
"""What may be minimised: unit, and its value."""
TRIES = 20
"""Times that a child is drawn again when it is known already."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """evaluations: SubNets whose cost is predicted.  population: of a generation.  seed: decides everything else.

    screen: children that are made for each that is evaluated, see :mod:`nigiri.search.screen`; 1 evaluates all.

    Raises
    ------
    SearchError: too few for a generation, or an unknown objective.
    """

    evaluations: int = 1000
    population: int = 64
    objective: str = "latency"
    seed: int = 0
    screen: int = 8

    def __post_init__(self) -> None:
        if self.population < 4:
            raise SearchError(f"the population must have at least 4 SubNets, not {self.population}")
        if self.evaluations < self.population:
            raise SearchError(f"evaluations must be at least the population, {self.population}, not {self.evaluations}")
        if self.screen < 1:
            raise SearchError(f"screen must be at least 1 child for each that is evaluated, not {self.screen}")
        if self.objective not in OBJECTIVES:
            raise SearchError(f"unknown objective {self.objective!r}: choose one of {', '.join(OBJECTIVES)}")


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A SubNet, its cost and its score."""

    choice: Choice
    cost: Cost
    score: float

    def point(self, objective: str) -> tuple[float, float]:
        """(cost, score) for a front."""
        return OBJECTIVES[objective][1](self.cost), self.score


def evaluate(evaluator: Evaluator, score: Score, choices: Sequence[Choice],
             progress: Progress = lambda done: None) -> list[Evaluated]:
    """Those of `choices` that can be compiled."""
    costs = evaluator.costs(choices, progress)
    scores = score.predict(choices) if choices else np.zeros(0)
    return [Evaluated(choice=c, cost=x, score=float(s)) for c, x, s in zip(choices, costs, scores, strict=True)
            if isinstance(x, Cost)]


def points(found: Sequence[Evaluated], objective: str) -> np.ndarray:
    """float [N, 2]."""
    return np.array([x.point(objective) for x in found]).reshape(-1, 2)


def _survivors(found: list[Evaluated], count: int, objective: str) -> list[Evaluated]:
    """The best `count`: front by front, and of the last front those that lie most alone."""
    at = points(found, objective)
    rank, apart = ranks(at), np.zeros(len(found))
    for n in range(int(rank.max()) + 1 if len(found) else 0):
        apart[rank == n] = crowding(at[rank == n])
    return [found[n] for n in np.lexsort((-apart, rank))[:count]]


def _new(make: Callable[[], Choice], seen: set[Choice], space: Space, rng: np.random.Generator) -> Choice:
    """A SubNet that was not there before, from `make` or, if that makes no new one, at random."""
    for _ in range(TRIES):
        choice = make()
        if choice not in seen:
            break
    else:
        choice = space.random(rng)
    seen.add(choice)
    return choice


def evolve(space: Space, score: Score, evaluator: Evaluator, settings: Settings,
           progress: Progress = lambda done: None) -> list[Evaluated]:
    """Every SubNet that was evaluated, the smallest and the largest first.

    Raises
    ------
    SearchError: not one SubNet of the first generation fits the configuration.
    """
    rng = np.random.default_rng([settings.seed, 0])
    seen = {space.smallest(), space.largest()}
    first = [space.smallest(), space.largest()]
    first += [_new(lambda: space.random(rng), seen, space, rng) for _ in range(settings.population - len(first))]
    found = evaluate(evaluator, score, first, progress)
    if not found:
        raise SearchError(f"not one of {len(first)} SubNets of {space.name} fits configuration "
                          f"{evaluator.machine.config.name!r}: {evaluator.known[first[0]]}")
    population, used = _survivors(found, settings.population, settings.objective), len(first)
    screen = Screen(evaluator.machine)
    while used < settings.evaluations:
        count, drawn, children = min(settings.population, settings.evaluations - used), set(seen), []
        for n in range(count * settings.screen):
            a, b = (_parent(population, rng) for _ in range(2))
            children.append(_new((lambda a=a: space.mutate(a, rng)) if n % 2 else                # type: ignore[misc]
                                 (lambda a=a, b=b: space.cross(a, b, rng)), drawn, space, rng))  # type: ignore[misc]
        if settings.screen > 1:
            children = screen.best(children, score.predict(children), count, [x.choice for x in found],
                                   points(found, settings.objective))
        seen |= set(children)
        born = evaluate(evaluator, score, children, progress)
        found += born
        population = _survivors(population + born, settings.population, settings.objective)
        used += len(children)
    return found


def _parent(population: Sequence[Evaluated], rng: np.random.Generator) -> Choice:
    """The better of two: they are in the order of their rank and crowding."""
    return population[int(rng.integers(len(population), size=2).min())].choice


def random_search(space: Space, score: Score, evaluator: Evaluator, settings: Settings,
                  progress: Progress = lambda done: None) -> list[Evaluated]:
    """As many SubNets, drawn evenly but for the smallest and the largest."""
    rng = np.random.default_rng([settings.seed, 1])
    seen = {space.smallest(), space.largest()}
    choices = [space.smallest(), space.largest()]
    choices += [_new(lambda: space.random(rng), seen, space, rng) for _ in range(settings.evaluations - 2)]
    return evaluate(evaluator, score, choices, progress)


def best(found: Sequence[Evaluated], objective: str) -> list[Evaluated]:
    """The front, by rising cost."""
    return [found[n] for n in front(points(found, objective))]
