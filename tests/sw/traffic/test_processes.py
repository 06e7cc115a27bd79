"""Arrival processes against their distributions; seeds are in the test names."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nigiri.traffic import TrafficError, bursty, constant, gamma, merge, poisson, ramp


@pytest.mark.parametrize("cv2", [0.25, 1, 2, 4, 8])
@pytest.mark.parametrize("seed", [1, 2])
def test_gaps_are_gamma_distributed(cv2, seed):
    a = gamma(1500, cv2, 20, seed)
    gaps = np.diff(a, prepend=0)
    # Differences of times do not resolve gaps of 1e-16 s, of which a bursty process has many.
    law, floor = stats.gamma(1 / cv2, scale=cv2 / 1500), 1e-9
    long = gaps[gaps > floor]
    assert stats.kstest(long, lambda x: (law.cdf(x) - law.cdf(floor)) / law.sf(floor)).pvalue > 1e-3
    assert len(long) / len(gaps) == pytest.approx(law.sf(floor), abs=0.01)
    assert len(a) == pytest.approx(30_000, abs=5 * np.sqrt(cv2 * 30_000))
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(cv2, rel=0.1)


def test_poisson_is_gamma_of_one():
    assert (poisson(100, 10, 3) == gamma(100, 1, 10, 3)).all()
    assert stats.kstest(np.diff(poisson(1000, 30, 3)), stats.expon(scale=1e-3).cdf).pvalue > 1e-3


def test_constant():
    assert constant(4, 1).tolist() == [0, 0.25, 0.5, 0.75]
    assert len(constant(1000, 7)) == 7000


def test_bursty_is_both():
    a = bursty(1500, 2950, 4, 10, seed=5)
    assert (a == merge(constant(1500, 10), gamma(2950, 4, 10, 5))).all() and (np.diff(a) >= 0).all()
    assert merge().tolist() == []


@pytest.mark.parametrize(("rate1", "rate2", "tau"), [(2500, 7400, 250), (2500, 7400, 5000), (7000, 1000, 2000)])
def test_ramp_follows_its_mean_rate(rate1, rate2, tau):
    a = ramp(rate1, rate2, tau, 0, before_s=3, after_s=4)
    climb = abs(rate2 - rate1) / tau
    t = np.linspace(0, 7 + climb, 200)
    inside = np.clip(t - 3, 0, climb)
    expected = (rate1 * np.minimum(t, 3) + rate1 * inside + np.sign(rate2 - rate1) * tau * inside ** 2 / 2
                + rate2 * np.maximum(0, t - 3 - climb))
    assert np.abs(np.searchsorted(a, t) - expected).max() < 1.5
    noisy = ramp(rate1, rate2, tau, 8, before_s=3, after_s=4, seed=1)
    assert (np.diff(noisy) >= 0).all()
    assert len(noisy) == pytest.approx(len(a), rel=0.1)


@given(st.floats(0.5, 500), st.floats(0, 8), st.floats(0.1, 10), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_sorted_in_range_and_repeatable(rate, cv2, duration, seed):
    a = gamma(rate, cv2, duration, seed)
    assert (np.diff(a) >= 0).all() and (a >= 0).all() and (a < duration * (1 + 1e-9)).all()
    assert (a == gamma(rate, cv2, duration, seed)).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: poisson(0, 1), r"^rate must be positive and finite, not 0$"),
    (lambda: poisson(1, float("inf")), r"^duration_s must be positive and finite, not inf$"),
    (lambda: gamma(1, -1, 1), r"^the squared coefficient of variation must be 0 or more, not -1$"),
    (lambda: poisson(1e9, 1), r"^a stream can have 100000000 arrivals, not 1000000000: take a lower rate or "
                              r"less time$"),
    (lambda: ramp(1, 2, 0, 1), r"^acceleration must be positive and finite, not 0$"),
    (lambda: ramp(1, 2, 1, 1, after_s=-1), r"^before_s and after_s must not be negative, not 0.0 and -1$"),
])
def test_messages(call, message):
    with pytest.raises(TrafficError, match=message):
        call()
