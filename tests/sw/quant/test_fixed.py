"""Fixed-point multipliers and the folding of batch norm."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.quant.errors import QuantisationError
from nigiri.quant.fixed import common_shift, fold, multiplier
from nigiri.spec.arith import requantise


@pytest.mark.parametrize("m", [1e-9, 3.7e-5, 0.5, 0.99999, 1.0, 1.00001, 3.0, 65535.0, 65534.7, 32767.9])
def test_multiplier_is_precise(m):
    mult, shift = multiplier(m)
    assert 2**15 <= mult < 2**16 and 0 <= shift < 64
    assert abs(mult / 2.0**shift / m - 1) <= 2**-16


def test_multipliers_at_the_ends():
    assert multiplier(0.0) == (0, 0)
    assert multiplier(2.0**-60) == (8, 63)
    assert multiplier(1 - 2.0**-30) == (32768, 15)


@pytest.mark.parametrize("m", [-1.0, 65536.0, float("inf"), float("nan")])
def test_multiplier_out_of_range(m):
    with pytest.raises(QuantisationError, match=r"^a multiplier must be between 0 and 65535, not .*: the scales of the "
                       r"layer "
                       r"are unsound$"):
        multiplier(m)


def test_common_shift():
    (a, b), shift = common_shift([0.7, 0.01])
    assert shift == 16 and (a, b) == (round(0.7 * 65536), round(0.01 * 65536))


def affine(slope, offset, s_in=0.02, s_w=0.003, s_out=0.05, zp_in=-7, zp_out=11, weights=(50, -20, 127)):
    """(integer result, real result in codes) of one channel over many inputs."""
    w = np.array(weights)
    rng = np.random.default_rng(0)
    bias, mult, shift = fold(slope=np.array([slope]), offset=np.array([offset]), s_in=s_in, s_w=np.array([s_w]),
                             s_out=s_out, zp_in=zp_in, sums=np.array([w.sum()]))
    for codes in rng.integers(-128, 128, (200, len(w))):
        acc = int((codes * w).sum())
        real = slope * s_in * s_w * ((codes - zp_in) * w).sum() + offset
        yield requantise(acc, int(bias[0]), int(mult[0]), int(shift[0]), zp_out), real / s_out + zp_out


@pytest.mark.parametrize("slope,offset", [(1.0, 0.0), (0.3, -1.7), (5.0, 2.2), (1e-4, 3.0), (0.0, 0.0)])
def test_fold_is_the_real_function(slope, offset):
    for got, want in affine(slope, offset):
        assert abs(got - min(127, max(-128, want))) <= 0.5 + 1e-3


@pytest.mark.parametrize("slope", [1e-7, 1e-12, 0.0])
@pytest.mark.parametrize("offset", [3.0, -2.9, 0.01])
def test_slopes_near_zero_keep_their_offset(slope, offset):
    """The bias would need more than 32 bits; the result is off by no more than a quarter step beyond rounding."""
    for got, want in affine(slope, offset):
        assert abs(got - min(127, max(-128, want))) <= 0.75


def test_bias_out_of_range():
    with pytest.raises(QuantisationError, match=r"^a bias does not fit 32 bits: the batch-norm statistics of the layer "
                       r"are "
                       r"unsound$"):
        fold(slope=np.array([1.0]), offset=np.array([0.0]), s_in=1.0, s_w=np.array([1.0]), s_out=1.0, zp_in=-128,
             sums=np.array([2**26]))
