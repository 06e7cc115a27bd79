"""A whole search: the front, random search beside it, other SubNets beside both, as JSON."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nigiri.search.evaluate import Evaluator, Progress
from nigiri.search.evolve import OBJECTIVES, Evaluated, Settings, best, evaluate, evolve, points, random_search
from nigiri.search.front import hypervolume
from nigiri.search.predictor import Score
from nigiri.zoo.plan import Choice, Family
from nigiri.zoo.space import Space, space_of

__all__ = ["search"]


def search(family: Family, score: Score, evaluator: Evaluator, settings: Settings,
           compared: Mapping[str, Mapping[str, Choice]], *, baseline: bool = True,
           progress: Progress = lambda done: None) -> dict[str, Any]:
    """Everything `nigiri pareto --json` prints, and "points": (cost, score) of every SubNet by search.

    compared: sets of named SubNets that are evaluated, too.

    The hypervolume's reference is the cost of the largest and the score of the smallest SubNet; divided by that cost
    it is the mean, over budgets from nothing to that cost, of what the best SubNet within the budget scores more than
    the smallest.

    Raises
    ------
    SearchError: nothing fits the configuration.
    """
    space, target = space_of(family), evaluator.machine
    unit = OBJECTIVES[settings.objective][0]
    found = {"evolution": evolve(space, score, evaluator, settings, progress)}
    if baseline:
        found["random search"] = random_search(space, score, evaluator, settings, progress)
    other = {title: dict(zip(names, _each(evaluator, score, list(names.values()), progress), strict=True))
             for title, names in compared.items()}
    sets = found | {title: [x for x in named.values() if x] for title, named in other.items()}
    at = {title: points(xs, settings.objective) for title, xs in sets.items()}
    reference = (max(float(p[:, 0].max()) for p in at.values() if len(p)), float(at["evolution"][0, 1]))
    front = best(found["evolution"], settings.objective)
    memory = f"memory {target.memory.name}"
    cached = "empty cache" if target.cache == "none" else "the best SubGraph cached"
    return {
        "network": family.name, "config": target.config.name, "clock_mhz": target.config.clock_mhz,
        "memory": target.memory.name, "cache": target.cache, "objective": settings.objective, "seed": settings.seed,
        "population": settings.population, "screen": settings.screen, "evaluations": settings.evaluations,
        "refused": settings.evaluations - len(found["evolution"]), "size": float(space.size()),
        "conditions": f"cycle model of {target.config.name} at {target.config.clock_mhz:g} MHz, {memory}, {cached}",
        "score_name": score.name, "cost_name": f"{settings.objective}, {unit}",
        "reference": {"cost": reference[0], "score": reference[1]},
        "hypervolume": {title: hypervolume(p, reference) / reference[0] for title, p in at.items()},
        "subnets": [{"name": f"f{n:02}", **_row(space, x, settings.objective)} for n, x in enumerate(front)],
        "compared": {title: [{"name": name, **_row(space, x, settings.objective)} for name, x in named.items() if x]
                     for title, named in other.items()},
        "points": {title.partition(" ")[0]: np.round(at[title], 4).tolist() for title in found}}


def _each(evaluator: Evaluator, score: Score, choices: Sequence[Choice],
          progress: Progress) -> list[Evaluated | None]:
    """One by one; None where a SubNet cannot be compiled."""
    by_choice = {x.choice: x for x in evaluate(evaluator, score, choices, progress)}
    return [by_choice.get(c) for c in choices]


def _row(space: Space, x: Evaluated, objective: str) -> dict[str, Any]:
    return {"config": space.to_json(x.choice), "score": x.score, "cost": x.point(objective)[0], **asdict(x.cost)}
