"""Levels of load, and learners that come and go with them."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.traffic.shipped import shape
from nigiri.tune import RRL, Axis, EpsilonGreedy, Levels, OnlineTuner, Space, TuneError
from nigiri.tune.changing import ChangingRequest, changing, sized
from nigiri.tune.study import StudyRequest, Workload, environment

SPACE = Space(axes=(Axis(name="devices", values=tuple(range(1, 11))),))


def test_levels_have_edges_that_noise_does_not_cross():
    x = Levels(base=100, ratio=2.0, margin=0.2, smooth=1.0)
    assert [x.see(r) for r in (110, 195, 205, 225, 240, 195, 180, 170, 1700)] == [0, 0, 0, 0, 1, 1, 1, 0, 4]
    assert Levels(base=100, ratio=2.0).see(30) == -2
    slow = Levels(base=100, ratio=2.0, margin=0.0, smooth=0.5)
    assert [slow.see(r) for r in (100, 400, 400, 800)] == [0, 1, 1, 2]


def test_a_new_level_begins_with_what_the_nearest_one_knows():
    made = []

    def make(level):
        made.append(level)
        return EpsilonGreedy(10, epsilon=0.0, seed=level)

    t = OnlineTuner(make, Levels(base=100, ratio=2.0, margin=0.0, smooth=1.0), safe=9)
    assert t.choose(150) == 9
    t.learn(9, -5.0)
    t.tables[0].learn(4, -1.0)
    assert t.choose(150) == 4
    t.learn(4, -1.0)
    assert t.choose(1000) == 4 and made == [0, 3]                   # the best of level 0 comes first
    t.learn(4, -9.0)
    assert t.choose(1000) == 9                                      # its second best; level 0 remembers its own
    t.learn(9, -2.0)
    assert t.best() == {0: 4, 3: 9} and t.choose(150) == 4
    t.learn(4, -1.0)
    assert t.choose(500) == 9                                       # level 2 is nearer to 3
    t.learn(9, -2.0)
    t.tables[2].learn(7, -0.5)
    assert t.choose(210) == 7 and made == [0, 3, 2, 1]              # 0 and 2 are equally near: the higher one
    cold = OnlineTuner(make, Levels(base=100), safe=3, carry=0.0)
    cold.choose(100)
    cold.learn(3, -1.0)
    assert cold.choose(1e4) == 3 and not np.isfinite(cold.tables[cold.level].values).any()


def test_changing_load_is_followed():
    """One device serves 100 queries/s; those that are on cost, those that lack cost more."""
    rng = np.random.default_rng(2)
    t = OnlineTuner(lambda n: RRL(SPACE.distances, radius=0.35, epsilon=0.2, half=60, own=True, seed=n + 9),
                    Levels(base=150, ratio=2.0, smooth=1.0), safe=9)
    costs = []
    for n in range(1200):
        rate = (200, 450, 900)[n // 100 % 3]
        i = t.choose(rate)
        lacking = max(0.0, rate / 100 - (i + 1))
        cost = 0.1 + (i + 1) / 10 + 5 * lacking / (rate / 100)
        costs.append(cost)
        t.learn(i, -cost * float(rng.normal(1, 0.03)))
    assert t.best() == {0: 1, 1: 4, 2: 8}
    assert np.mean(costs[-300:]) < 0.75 < np.mean(costs[:300])


def test_the_experiment_on_a_real_load_is_repeatable():
    r = ChangingRequest(windows=1, passes=1, seeds=1)
    env = environment(r.family, r.slo_ms)
    assert sized(env, 1.0)["devices"] == 1 and sized(env, 1e6)["devices"] == 8
    assert 2 <= sized(env, r.mean_rate)["devices"] <= 4
    said = []
    a = changing(r, said.append)
    assert said and {x["name"] for x in a["rows"]} == {"1 devices", "2 devices", "3 devices", "4 devices", "6 devices",
                                                       "8 devices", "epsilon-greedy", "RRL"}
    by = {x["name"]: x["passes"][-1] for x in a["rows"]}
    assert by["8 devices"]["violations"] < 0.01 < by["2 devices"]["violations"]
    assert by["8 devices"]["power"] == 1.0
    assert len(a["minutes"]["RRL"]["power"]) == len(a["minutes"]["rate"]) == len(shape()["counts"])


def test_errors():
    for make in (lambda: Levels(base=0), lambda: Levels(base=1, ratio=1), lambda: Levels(base=1, smooth=0),
                 lambda: Levels(base=1).see(0), lambda: ChangingRequest(passes=0), lambda: StudyRequest(seeds=0),
                 lambda: StudyRequest(workloads=())):
        with pytest.raises(TuneError):
            make()
    assert Workload(family="resnet50", slo_ms=36, rate=1).rate == 1
