"""The datapath's arithmetic against exact fractions."""
import random
from fractions import Fraction
from math import floor

import pytest

from nigiri.spec.arith import add_residual, clamp, requantise, scale_factor, shift_round, wrap32

SEED = 20240602


def round_half_up(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


@pytest.mark.parametrize(("x", "wrapped"), [
    (0, 0), (2**31 - 1, 2**31 - 1), (2**31, -2**31), (-2**31, -2**31), (-2**31 - 1, 2**31 - 1), (2**32 + 5, 5)])
def test_wrap32(x, wrapped):
    assert wrap32(x) == wrapped


@pytest.mark.parametrize(("x", "clamped"), [(-129, -128), (-128, -128), (0, 0), (127, 127), (128, 127)])
def test_clamp(x, clamped):
    assert clamp(x) == clamped


def test_clamp_to_given_bounds():
    assert [clamp(x, -5, 6) for x in (-6, -5, 6, 7)] == [-5, -5, 6, 6]


@pytest.mark.parametrize(("x", "shift", "rounded"), [
    (3, 1, 2), (-3, 1, -1), (1, 1, 1), (-1, 1, 0), (5, 0, 5), (-5, 0, -5), (7, 2, 2), (6, 2, 2), (5, 2, 1)])
def test_halves_round_up(x, shift, rounded):
    assert shift_round(x, shift) == rounded


def test_requantise_against_fractions():
    rng = random.Random(SEED)
    for _ in range(2000):
        acc, bias = rng.randint(-2**31, 2**31 - 1), rng.choice([0, rng.randint(-2**31, 2**31 - 1)])
        mult, shift, zp = rng.randint(0, 2**16 - 1), rng.randint(0, 63), rng.randint(-128, 127)
        exact = round_half_up(Fraction(wrap32(acc + bias) * mult, 2**shift)) + zp
        assert requantise(acc, bias, mult, shift, zp) == max(-128, min(127, exact)), f"seed {SEED}"


def test_add_residual_against_fractions():
    rng = random.Random(SEED)
    for _ in range(2000):
        y, r, zp_y, zp_res, zp_sum = (rng.randint(-128, 127) for _ in range(5))
        mult_y, mult_r, shift = rng.randint(0, 2**16 - 1), rng.randint(0, 2**16 - 1), rng.randint(0, 63)
        exact = round_half_up(Fraction((y - zp_y) * mult_y + (r - zp_res) * mult_r, 2**shift)) + zp_sum
        assert add_residual(y, r, mult_y=mult_y, mult_r=mult_r, shift=shift, zp_y=zp_y, zp_res=zp_res,
                            zp_sum=zp_sum) == max(-128, min(127, exact)), f"seed {SEED}"


def test_scale_factor_against_fractions():
    for code in range(-128, 128):
        for mult in (0, 1, 127, 128, 12345, 65535):
            assert scale_factor(code, mult) == round_half_up(Fraction((code + 128) * mult, 256)) < 2**16
