"""Confidence, calibration, the cascade itself and its thresholds, against plain references; seeds are fixed."""
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nigiri.cascade.calibrate import PlattBinning, expected_calibration_error, temperature
from nigiri.cascade.confidence import confidence, softmax
from nigiri.cascade.errors import CascadeError
from nigiri.cascade.simulate import ensemble, run_cascade
from nigiri.cascade.thresholds import Cascade, Standard, evaluate, grid_search, pareto, search


def made(models=3, images=4000, seed=1):
    """Models of rising accuracy: calibrated confidences, and answers that are right as often as they say."""
    rng = np.random.default_rng(seed)
    hard = rng.random(images)
    c = np.stack([np.clip(1 - hard * (0.8 - 0.2 * m) + 0.02 * rng.standard_normal(images), 0.01, 1)
                  for m in range(models)])
    return c, rng.random((models, images)) < c, np.array([1.0, 3.0, 10.0])[:models]


def plain(c, y, thresholds, energy, skip):
    """One image after the other, by the prototype's words."""
    models, images = c.shape
    right, spent, reach = 0, 0.0, [0] * models
    for n in range(images):
        m = 0
        while True:
            reach[m] += 1
            spent += energy[m]
            if m == models - 1 or c[m][n] >= thresholds[m]:
                right += bool(y[m][n])
                break
            later, jump = models - 1 - m, 1
            if skip and thresholds[m] > 0:
                step = thresholds[m] / later
                jump = next((1 + s for s in range(later)
                             if step * (later - 1 - s) <= c[m][n] < step * (later - s)), 1)
            m += jump
    return right / images, [r / images for r in reach], spent / images


@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 10**6), st.booleans())
@settings(max_examples=200, deadline=None)
def test_against_one_image_after_the_other(models, images, seed, skip):
    rng = np.random.default_rng(seed)
    c, y = rng.random((models, images)), rng.random((models, images)) < 0.5
    thresholds, energy = rng.random(models - 1), rng.random(models) + 0.1
    got = run_cascade(c, y, thresholds, energy, skip=skip)
    accuracy, reach, spent = plain(c, y, thresholds, energy, skip)
    assert got.accuracy == pytest.approx(accuracy) and got.reach.tolist() == pytest.approx(reach)
    assert got.energy == pytest.approx(spent)
    assert got.energy == pytest.approx(float(got.reach @ energy), rel=1e-12)          # reach times energy


def test_skip_reaches_the_last_model_past_the_middle_one():
    c, y = np.array([[0.9, 0.5, 0.1], [1, 1, 1], [1, 1, 1]]), np.ones((3, 3), bool)
    with_skip = run_cascade(c, y, np.array([0.8, 0.5]), np.array([1, 2, 4]))
    assert with_skip.answered_by.tolist() == [0, 1, 2] and with_skip.energies.tolist() == [1, 3, 5]
    assert run_cascade(c, y, np.array([0.8, 0.5]), np.array([1, 2, 4]), skip=False).answered_by.tolist() == [0, 1, 1]


def test_softmax_and_measures():
    z = np.array([[2.0, 1.0, 0.0], [500.0, 0, 0]])
    p = np.exp(z[0]) / np.exp(z[0]).sum()
    assert softmax(z)[0] == pytest.approx(p) and softmax(z)[1].tolist() == pytest.approx([1, 0, 0])
    assert confidence(z)[0] == pytest.approx(p[0] ** 2)
    assert confidence(z, "top")[0] == pytest.approx(p[0])
    assert confidence(z, "margin")[0] == pytest.approx(p[0] - p[1])
    assert confidence(2 * z, "top", temperature=2)[0] == pytest.approx(p[0])


def test_temperature_is_found_again():
    rng = np.random.default_rng(5)
    z = rng.standard_normal((20_000, 10)) * 3
    labels = np.array([rng.choice(10, p=row) for row in softmax(z)])
    assert temperature(7 * z, labels) == pytest.approx(7, rel=0.03)


@pytest.mark.parametrize("bins", [1, 20, 100])
def test_platt_binning_calibrates(bins):
    rng = np.random.default_rng(6)
    truth = 1 / (1 + np.exp(-(0.5 * rng.standard_normal(40_000) * 3 + 1.5)))
    raw = 1 / (1 + np.exp(-(2 * np.log(truth / (1 - truth)) + 1)))          # over-confident
    y = rng.random(40_000) < truth
    p = PlattBinning.fit(raw[:20_000], y[:20_000], bins)
    assert (p.slope, p.offset) == pytest.approx((0.5, -0.5), abs=0.06)
    before = expected_calibration_error(raw[20_000:], y[20_000:])
    after = expected_calibration_error(p(raw[20_000:]), y[20_000:])
    assert after < 0.02 < before or bins == 1
    assert len(np.unique(p(raw))) <= bins and (np.diff(p(np.linspace(0, 1, 500))) >= -1e-12).all()


def test_platt_matches_logistic_regression_without_a_penalty():
    from scipy.optimize import minimize

    rng = np.random.default_rng(7)
    c = rng.random(3000) * 0.98 + 0.01
    y = rng.random(3000) < c ** 1.5
    x = np.log(c / (1 - c))

    def loss(ab):
        p = 1 / (1 + np.exp(-(ab[0] * x + ab[1])))
        return -np.where(y, np.log(p), np.log(1 - p)).mean()

    p = PlattBinning.fit(c, y, 1)
    assert (p.slope, p.offset) == pytest.approx(tuple(minimize(loss, [1, 0], method="Nelder-Mead").x), abs=0.01)


def test_calibration_error_by_hand():
    c, y = np.array([0.9, 0.9, 0.5, 0.5]), np.array([1, 1, 1, 0])
    assert expected_calibration_error(c, y, bins=2) == pytest.approx(0.05)


def test_grid_search_finds_the_cheapest_vector():
    c, y, e = made(2, 500)
    least = y[-1].mean() - 0.01
    best = grid_search(c, y, e[:2], least=least)
    tried = [(o.energy, t) for t in np.linspace(0, 1, 100)
             if (o := run_cascade(c, y, np.array([t]), e[:2])).accuracy >= least]
    assert (best.energy, best.thresholds[0]) == min(tried)


def test_search_is_no_worse_than_the_grid_and_keeps_its_accuracy():
    c, y, e = made(3, 3000)
    least = y[-1].mean() - 0.005
    grid = grid_search(c, y, e, least=least, most=2000)
    standard = Standard(y[-1], tolerance=0.005)
    best, tried = search(c, y, e, standard)
    assert best.accuracy >= least and best.energy <= grid.energy * 1.01 and best.energy < e[-1]
    o = evaluate(best, c, y, e)
    assert (o.accuracy, o.energy) == (best.accuracy, best.energy)
    front = pareto(tried)
    assert all(a.energy < b.energy and a.accuracy < b.accuracy for a, b in pairwise(front))
    assert not any(x.energy < f.energy and x.accuracy > f.accuracy for f in front for x in tried)


def test_ensemble():
    z = np.array([[[4.0, 0]], [[0, 2.0]], [[0, 1.0]]])
    assert (ensemble(z, 1.0) == z[None]).all()
    half = ensemble(z, 0.5)
    assert half[0, 0].tolist() == [[4, 0]] and half[0, 1].tolist() == [[2, 1]] and half[1, 2].tolist() == [[0, 1.5]]


def test_models_behind_a_first_one():
    c, y, e = made(3, 500)
    cubes = np.stack([c, c[::-1], c]), np.stack([y, y[::-1], y])
    x = Cascade((1, 2), (0.5,), 0, 0)
    want = run_cascade(np.stack([c[1], c[0]]), np.stack([y[1], y[0]]), np.array([0.5]), e[1:])
    got = evaluate(x, *cubes, e)
    assert (got.accuracy, got.energy) == (want.accuracy, want.energy)


def test_standard_is_paired():
    right = np.array([1, 1, 0, 0] * 100, bool)
    assert Standard(right).short(right) == 0
    worse = right.copy()
    worse[0] = False                                             # one of 400
    d = np.array([-1.0] + [0] * 399)
    assert Standard(right, tolerance=0.01).short(worse) == pytest.approx(0.0025 - 0.01)
    assert Standard(right, 0.01, 2).short(worse) == pytest.approx(0.0025 - 0.01 + 2 * d.std() / 20)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: confidence(np.zeros((2, 3)), "sure"), r"^measure must be 'square', 'top' or 'margin', not 'sure'$"),
    (lambda: confidence(np.zeros((2, 1))), r"^confidence needs a positive temperature and at least two classes, not "
                                           r"1.0 "
                                           r"and logits of shape \(2, 1\)$"),
    (lambda: PlattBinning.fit(np.zeros(50), np.zeros(50)), r"^calibration needs as many answers as confidences and 2 "
                                                           r"for "
                                                           r"each of at least 1 bin, not \(50,\), \(50,\) and 100 "
                                                           r"bins$"),
    (lambda: PlattBinning.fit(np.zeros(50), np.ones(50), 2), r"^calibration needs right and wrong answers: take more "
                                                             r"samples$"),
    (lambda: temperature(np.zeros((3, 2)), np.zeros(2, int)), r"^temperature needs logits \[n, classes\] and n labels, "
                                                              r"not \(3, 2\) and \(2,\)$"),
    (lambda: run_cascade(np.zeros((2, 5)), np.zeros((2, 5)), np.zeros(2), np.ones(2)),
     r"^a cascade of 2 models and 5 images needs as many answers, 1 thresholds and 2 energies, not \(2, 5\), \(2,\) "
     r"and "
     r"\(2,\)$"),
    (lambda: search(*made(2, 100), Standard(np.ones(100, bool))), r"^no thresholds reach an accuracy of 100.00 %"),
    (lambda: ensemble(np.zeros((1, 1, 2)), 0), r"^alpha must be above 0 and at most 1, not 0$"),
    (lambda: grid_search(*made(2, 100), least=1.1), r"^no thresholds reach an accuracy of 110.00 %: ask for less$"),
])
def test_messages(call, message):
    with pytest.raises(CascadeError, match=message):
        call()
