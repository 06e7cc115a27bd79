"""Array arithmetic equals the specification's Python integers, over random values and the extremes."""
import numpy as np

from nigiri.model import arith
from nigiri.spec import arith as spec

EDGES = [-2**31, -2**31 + 1, -1, 0, 1, 2**31 - 1]


def test_requantise():
    rng = np.random.default_rng(3)
    n = 4000
    acc = np.concatenate([rng.integers(-2**33, 2**33, n), EDGES])
    bias = rng.choice(EDGES + rng.integers(-2**31, 2**31, 20).tolist(), len(acc))
    mult, shift = rng.choice([0, 1, 65535, 40000], len(acc)), rng.integers(0, 64, len(acc))
    got = arith.requantise(arith.wrap32(acc), bias, mult, shift, -9)
    want = [spec.requantise(spec.wrap32(int(a)), int(b), int(m), int(s), -9)
            for a, b, m, s in zip(acc, bias, mult, shift, strict=True)]
    assert got.tolist() == want


def test_add_residual():
    rng = np.random.default_rng(4)
    y, r = rng.integers(-128, 128, (2, 500))
    for shift in (0, 1, 15, 31, 63):
        k = {"mult_y": 65535, "mult_r": int(rng.integers(65536)), "shift": shift, "zp_y": -128, "zp_res": 127}
        k["zp_sum"] = 3
        assert arith.add_residual(y, r, **k).tolist() == [
            spec.add_residual(int(a), int(b), **k) for a, b in zip(y, r, strict=True)]


def test_add_residual_with_a_multiplier_per_channel():
    rng = np.random.default_rng(5)
    y, r, mult = rng.integers(-128, 128, (30, 8)), rng.integers(-128, 128, (30, 8)), rng.integers(0, 65536, 8)
    k = {"mult_r": 40000, "shift": 16, "zp_y": 5, "zp_res": -6, "zp_sum": 7}
    assert arith.add_residual(y, r, mult_y=mult, **k).tolist() == [
        [spec.add_residual(int(y[n, c]), int(r[n, c]), mult_y=int(mult[c]), **k) for c in range(8)] for n in range(30)]


def test_scale_factor():
    codes = np.arange(-128, 128)
    for mult in (0, 1, 255, 256, 40000, 65535):
        assert arith.scale_factor(codes, mult).tolist() == [spec.scale_factor(int(c), mult) for c in codes]


def test_lookup_is_indexed_by_the_byte():
    table = np.arange(256).astype(np.uint8)[::-1]
    assert arith.lookup(table, np.array([0, -1, 127, -128])).tolist() == [-1, 0, -128, 127]
