"""The update of a region by hand, its limits, and learning on landscapes whose best point is known."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.tune import (
    RRL,
    Axis,
    Bank,
    EpsilonGreedy,
    Exhaustive,
    RandomSearch,
    Space,
    TuneError,
    quartiles,
    run,
    weights,
)

LINE = Space(axes=(Axis(name="x", values=(0, 1, 2, 3, 4), scale="linear", stretch=4.0),))
GRID = Space(axes=tuple(Axis(name=n, values=tuple(range(8))) for n in "xyz"))


def test_weights():
    d = np.array([0.0, 0.5, 1.0, 2.0])
    assert weights(d, 1.0).tolist() == [1.0, 0.5, 0.0, 0.0]
    assert weights(d, 1.0, "box").tolist() == [1.0, 1.0, 0.0, 0.0]
    assert weights(d, 1.0, "gauss").tolist() == pytest.approx([1.0, np.exp(-0.5), 0.0, 0.0])
    assert weights(d, 0.0).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_update_by_hand():
    a = RRL(LINE.distances, radius=2.0, factor=0.5, own=False, initial=0.0, prior=0.0)
    a.learn(2, -4.0)
    # Weights 0, 1/2, 1, 1/2, 0; nothing was known, so that w of a first reward is w / w.
    assert a.mass.tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert a.values.tolist() == [0.0, -4.0, -4.0, -4.0, 0.0]
    a.learn(3, -1.0)
    # 3 was not visited: radius 2 again.  V[2] = -4 + 0.5 / 1.5 * 3, V[3] = -4 + 1 / 1.5 * 3, V[4] = 0 - 1.
    assert a.values.tolist() == pytest.approx([0.0, -4.0, -3.0, -2.0, -1.0])
    a.learn(3, -1.0)
    # Its radius is 1 now, and the neighbours are 1 away.
    assert a.values.tolist() == pytest.approx([0.0, -4.0, -3.0, -1.6, -1.0])
    assert a.visits.tolist() == [0, 0, 1, 2, 0]


def test_update_by_hand_with_optimism_and_own_values():
    a = RRL(LINE.distances, radius=2.0, own=True, initial=0.0, prior=0.5)
    a.learn(2, -4.0)
    # What was tried is worth what it earned; its neighbours go half of the way: w / (prior + w).
    assert a.values.tolist() == pytest.approx([0.0, -2.0, -4.0, -2.0, 0.0])
    a.learn(1, -1.0)
    assert a.values.tolist() == pytest.approx([-0.5, -1.0, -4.0, -2.0, 0.0])


def test_the_radius_shrinks():
    a = RRL(LINE.distances, radius=3.0, factor=0.5)
    seen = []
    for _ in range(4):
        seen.append(a.region(2))
        a.learn(2, -1.0)
    assert seen == [3.0, 1.5, 0.75, 0.375] and a.region(0) == 3.0
    pair = RRL(LINE.distances, radius=3.0, factor=0.5, shrink="pair")
    pair.learn(2, -1.0)
    assert pair.region(0).tolist() == [3.0, 3.0, 1.5, 3.0, 3.0]
    time = RRL(LINE.distances, radius=3.0, factor=0.5, shrink="time")
    time.evaluations = 150
    assert time.region(0) == pytest.approx(1.5)


def test_values_become_those_of_points():
    rng = np.random.default_rng(5)
    true = np.array([-1.0, -5.0, -2.0, -7.0, -3.0])
    for own in (True, False):
        a = RRL(LINE.distances, radius=3.0, own=own)
        for n in range(3000):
            a.learn(n % 5, float(true[n % 5] + rng.normal(0, 0.1)))
        assert a.values == pytest.approx(true, abs=0.06)


@pytest.mark.parametrize("initial", [None, 0.0])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("step", [0.0, 0.2])
def test_radius_zero_is_epsilon_greedy(initial, own, step):
    rng = np.random.default_rng(3)
    rewards = rng.uniform(-2, -1, len(GRID))
    a = RRL(GRID.distances, radius=0.0, own=own, initial=initial, prior=0.0, epsilon=0.2, half=300, step=step, seed=9)
    b = EpsilonGreedy(len(GRID), initial=initial, epsilon=0.2, half=300, step=step, seed=9)
    for _ in range(800):
        i, j = a.choose(), b.choose()
        assert i == j
        reward = float(rewards[i] + rng.normal(0, 0.1))
        a.learn(i, reward)
        b.learn(j, reward)
        assert a.best() == b.best()
    assert (a.values == b.values).all()


def landscape(kind: str, noise: float = 0.0, windows: int = 8) -> Bank:
    x = GRID.coordinates
    top = np.array([5, 2, 6]) / 7
    cost = 1 + 2 * ((x - top) ** 2).sum(axis=1)
    if kind == "modes":
        # A second, wider valley that is a tenth higher.
        cost = np.minimum(1 + 2 * ((x - top) ** 2).sum(axis=1), 1.1 + ((x - 1 / 7) ** 2).sum(axis=1))
    rng = np.random.default_rng(1)
    return Bank(rewards=-cost[:, None] * np.exp(rng.normal(0, noise, (len(GRID), windows)) if noise else
                                                np.zeros((len(GRID), windows))))


@pytest.mark.parametrize("kind, noise", [("smooth", 0.0), ("smooth", 0.05), ("modes", 0.0), ("modes", 0.03)])
@pytest.mark.parametrize("initial", [None, 0.0])
def test_the_best_is_found(kind, noise, initial):
    """The optimistic start finds it; the quick one gets at least near the second valley, a tenth higher."""
    bank = landscape(kind, noise)
    runs = [run(RRL(GRID.distances, initial=initial, radius=0.4, epsilon=0.2, seed=s), bank, 600, 100 + s)
            for s in range(6)]
    assert sum(r.excess[-1] <= (0.15 if initial is None else 0.05) for r in runs) >= 5


def test_regions_are_faster_than_points():
    bank = landscape("smooth", 0.02)
    r, e = ([run(make(s), bank, 500, 100 + s).first or 1000 for s in range(9)] for make in (
        lambda s: RRL(GRID.distances, radius=0.4, seed=s), lambda s: EpsilonGreedy(len(GRID), seed=s)))
    assert np.median(r) * 2 < np.median(e)


def test_logarithms_of_costs():
    a = RRL(LINE.distances, radius=0.0, logarithm=True)
    for cost in (1.0, 4.0):
        a.learn(2, -cost)
    assert a.values[2] == pytest.approx(-np.log(2.0))
    with pytest.raises(TuneError, match=r"below 0, not 0\.0"):
        a.learn(2, 0.0)


def test_exploring_looks_beside_the_best():
    a = RRL(LINE.distances, radius=2.0, epsilon=1.0, local=1.0, seed=1)
    a.learn(1, -1.0)
    a.learn(4, -2.0)
    assert {a.choose() for _ in range(50)} == {0, 2}
    everywhere = RRL(LINE.distances, radius=2.0, epsilon=1.0, local=0.0, seed=1)
    everywhere.learn(1, -1.0)
    assert {everywhere.choose() for _ in range(80)} == {0, 1, 2, 3, 4}


def test_exhaustive_and_random_search_find_the_best_without_noise():
    bank, n = landscape("modes"), len(GRID)
    for learner in (Exhaustive(n), RandomSearch(n, seed=4)):
        tried = set()
        for _ in range(n):
            i = learner.choose()
            tried.add(i)
            learner.learn(i, float(bank.values[i]))
        assert len(tried) == n and learner.best() == bank.best
    assert run(Exhaustive(n), bank, n, 0).excess[-1] == 0.0


def test_equal_seeds_give_equal_runs():
    bank = landscape("smooth", 0.1)
    a, b, c = (run(RRL(GRID.distances, seed=s), bank, 300, 7) for s in (1, 1, 2))
    assert (a.excess == b.excess).all() and (a.first, a.stays, a.paid) == (b.first, b.stays, b.paid)
    assert a.paid != c.paid


def test_first_and_stays():
    class Says:
        def __init__(self, advice):
            self.advice, self.n = advice, 0

        def choose(self):
            return 0

        def learn(self, index, reward):
            self.n += 1

        def best(self):
            return self.advice[self.n - 1]

    bank = Bank(rewards=-np.array([[1.0], [1.04], [2.0]]))
    assert bank.near().tolist() == [True, True, False]
    good = run(Says([2, 1, 2, 0] + [0] * 96), bank, 100, 0)
    assert (good.first, good.stays) == (2, 2) and good.excess[:4].tolist() == pytest.approx([1.0, 0.04, 1.0, 0.0])
    late = run(Says([0] + [2] * 20 + [0] * 79), bank, 100, 0)
    assert (late.first, late.stays) == (1, 22)
    never = run(Says([0] + [2] * 99), bank, 100, 0)
    assert (never.first, never.stays) == (1, None)
    assert quartiles([3, 5, None, 9], 100) == {"q25": 5.0, "median": 9.0, "q75": None, "reached": 3, "of": 4}


def test_errors():
    for make in (lambda: EpsilonGreedy(0), lambda: EpsilonGreedy(3, epsilon=1.1), lambda: EpsilonGreedy(3, step=-1),
                 lambda: EpsilonGreedy(3, half=0), lambda: Exhaustive(0), lambda: RRL(LINE.distances, radius=-1),
                 lambda: RRL(LINE.distances, factor=2), lambda: RRL(LINE.distances[:3]),
                 lambda: RRL(LINE.distances, kernel="cubic"), lambda: RRL(LINE.distances, shrink="never"),
                 lambda: RRL(LINE.distances, prior=-1), lambda: RRL(LINE.distances, local=2),
                 lambda: Bank(rewards=np.zeros((2, 2))),
                 lambda: run(Exhaustive(3), Bank(rewards=-np.ones((3, 1))), 0, 0)):
        with pytest.raises(TuneError):
            make()
