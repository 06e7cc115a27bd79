"""The search: better than chance, the same again from a seed, and costs that are kept."""
from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from search_helpers import random_state

from nigiri.search.cost import Cost, cost_of
from nigiri.search.errors import SearchError
from nigiri.search.evaluate import Evaluator, Machine
from nigiri.search.evolve import Evaluated, Settings, best, evolve, points, random_search
from nigiri.search.front import hypervolume
from nigiri.search.predictor import from_tensors
from nigiri.search.report import search
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory
from nigiri.zoo.build import FAMILIES, cost
from nigiri.zoo.space import space_of

FAMILY = FAMILIES["ofa_mbv3_w10"]
SPACE, LAYERS = space_of(FAMILY), FAMILY.layers()
CONFIG = get_config("kv260")
MACHINE = Machine(network=FAMILY.name, config=CONFIG, memory=default_memory(CONFIG))


class Counted:
    """Stands for an evaluator: the cost is the multiply-accumulates, which take no compiling, so that the search itself
    can be tried on many SubNets.  refused: every so manieth does not fit."""

    def __init__(self, refused=0):
        self.machine, self.refused, self.asked, self.known = MACHINE, refused, [], {}

    def costs(self, choices, progress=lambda done: None):
        out = []
        for c in choices:
            self.asked.append(c)
            macs, nbytes, _ = cost(LAYERS, FAMILY.steps(c))
            self.known[c] = "too large" if self.refused and len(self.asked) % self.refused == 0 else Cost(
                cycles=macs, ms=macs / 1e6, mj=nbytes / 1e6, macs=macs, weight_bytes=nbytes, dram_bytes=0, pb_bytes=0)
            out.append(self.known[c])
            progress(1)
        return out


SCORE = SimpleNamespace(name="kernels and depth", predict=lambda cs: np.array([
    sum(c.kernel) / 20 + 2 * sum(c.depth) - sum(e == 6 for e in c.expand) for c in cs]))
"""A score that wants other things than what multiply-accumulates say."""


@pytest.mark.parametrize("screen", [1, 4])
def test_evolution_beats_random_search(screen):
    settings, reference = Settings(evaluations=120, population=12, seed=1, screen=screen), (600.0, 10.0)
    first, second = Counted(), Counted()
    found = evolve(SPACE, SCORE, first, settings)
    chance = random_search(SPACE, SCORE, second, settings)
    assert len(first.asked) == len(set(first.asked)) == 120          # none twice
    assert len(second.asked) == len(set(second.asked)) == 120
    assert first.asked[:2] == [SPACE.smallest(), SPACE.largest()] == second.asked[:2]
    volume = [hypervolume(points(x, "latency"), reference) for x in (found, chance)]
    assert volume[0] > 1.02 * volume[1]


def test_the_seed_decides():
    settings = Settings(evaluations=24, population=8, screen=2)
    runs = [[x.choice for x in evolve(SPACE, SCORE, Counted(), replace(settings, seed=n))] for n in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(("objective", "value"), [("latency", "ms"), ("energy", "mj"), ("weights", "weight_bytes")])
def test_objectives(objective, value):
    found = evolve(SPACE, SCORE, Counted(), Settings(evaluations=48, population=12, objective=objective, screen=1))
    front = best(found, objective)
    costs = [getattr(x.cost, value) for x in front]
    assert costs == sorted(costs)
    assert not any(getattr(y.cost, value) <= c and y.score > x.score for x, c in zip(front, costs, strict=True)
                   for y in found)


def test_what_does_not_fit_is_left_out():
    found = evolve(SPACE, SCORE, Counted(refused=3), Settings(evaluations=60, population=12, screen=2))
    assert len(found) == 40 and all(isinstance(x, Evaluated) for x in found)
    with pytest.raises(SearchError, match=r"^not one of 12 SubNets of ofa_mbv3_w10 fits configuration 'kv260': too "
                                          r"large$"):
        evolve(SPACE, SCORE, Counted(refused=1), Settings(evaluations=60, population=12))


@pytest.mark.parametrize(("settings", "message"), [
    ({"population": 3}, r"the population must have at least 4 SubNets, not 3"),
    ({"evaluations": 10}, r"evaluations must be at least the population, 64, not 10"),
    ({"screen": 0}, r"screen must be at least 1 child for each that is evaluated, not 0"),
    ({"objective": "area"}, r"unknown objective 'area': choose one of latency, energy, weights")])
def test_settings(settings, message):
    with pytest.raises(SearchError, match=f"^{message}$"):
        Settings(**settings)


def test_costs_are_kept(tmp_path):
    """Real costs: computed in two processes, kept, and read again instead of computed."""
    path = tmp_path / "new" / "points.jsonl"
    rng = np.random.default_rng(3)
    choices = [replace(SPACE.random(rng), side=128) for _ in range(3)]
    done = []
    with Evaluator(MACHINE, path, jobs=2) as evaluator:
        got = evaluator.costs([*choices, choices[0]], done.append)
    assert sum(done) == 4 and got[3] == got[0]
    assert got[1] == cost_of(FAMILY, choices[1], CONFIG, MACHINE.memory)
    assert len(path.read_text().splitlines()) == 3
    with path.open("a") as file:
        file.write('{"machine": "an')                               # as a stopped run leaves it
    again = Evaluator(MACHINE, path)
    assert [again.known[c] for c in choices] == got[:3] and len(path.read_text().splitlines()) == 3
    assert Evaluator(replace(MACHINE, cache="best"), path).known == {}      # another machine
    assert Evaluator(replace(MACHINE, config=replace(CONFIG, clock_mhz=100)), path).known == {}
    path.write_text(json.dumps({"machine": 1}) + "\n" + "hello\n" + path.read_text())
    with pytest.raises(SearchError, match=r"^.*points\.jsonl, line 2, is no cost of a SubNet: give another folder$"):
        Evaluator(MACHINE, path)
    with pytest.raises(SearchError, match=r"^jobs must be at least 1, not 0$"):
        Evaluator(MACHINE, jobs=0)


def test_what_cannot_be_compiled_says_why(tmp_path):
    tiny = get_config("tiny")
    machine = replace(MACHINE, config=tiny, memory=default_memory(tiny))
    path = tmp_path / "points.jsonl"
    why, = Evaluator(machine, path).costs([SPACE.smallest()])
    assert isinstance(why, str) and "tiny" in why
    assert Evaluator(machine, path).known == {SPACE.smallest(): why}


def test_report():
    score = from_tensors(random_state("mobilenet"))
    settings = Settings(evaluations=40, population=10, seed=5, screen=2)
    data = search(FAMILY, score, Counted(), settings, {"two": {"min": SPACE.smallest(), "max": SPACE.largest()}})
    data = json.loads(json.dumps(data))
    assert data["network"] == "ofa_mbv3_w10" and data["config"] == "kv260" and data["seed"] == 5
    assert [x["name"] for x in data["subnets"]] == [f"f{n:02}" for n in range(len(data["subnets"]))]
    assert [SPACE.from_json(x["config"]) for x in data["subnets"]]
    costs, scores = ([x[key] for x in data["subnets"]] for key in ("cost", "score"))
    assert costs == sorted(costs) and scores == sorted(scores)
    assert [x["name"] for x in data["compared"]["two"]] == ["min", "max"]
    assert set(data["hypervolume"]) == {"evolution", "random search", "two"}
    assert len(data["points"]["evolution"]) == len(data["points"]["random"]) == 40
    assert data["hypervolume"]["evolution"] >= data["hypervolume"]["two"] >= 0
