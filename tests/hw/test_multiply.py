"""Multiplication in look-up tables against multiplication: every digit, the ends of the ranges, random numbers."""
from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module, Signal, signed
from hw_helpers import run

from nigiri.spec import get_config
from nigiri_hw.lib.multiply import booth_rows, booth_sum, scarce, soft_multiply, split_multiply


def check(m, inputs, out, pairs) -> None:
    m.d.sync += Signal().eq(1)

    async def testbench(ctx):
        for values in pairs:
            for signal, value in zip(inputs, values, strict=True):
                ctx.set(signal, value)
            assert ctx.get(out) == values[0] * values[1], values
    run(m, testbench)


def pairs_of(bits: int, factor_bits: int, low: int, seed: int):
    dice, high, top = random.Random(seed), low + (1 << bits) - 1, (1 << factor_bits) - 1
    ends = [(v, f) for v in (low, low + 1, -1 if low else 1, 0, 1, high - 1, high) for f in (0, 1, top - 1, top)]
    return ends + [(dice.randint(low, high), dice.randint(0, top)) for _ in range(400)]


def test_soft_multiply():
    m, a, b, out = Module(), Signal(16), Signal(6), Signal(22)
    m.d.comb += out.eq(soft_multiply(a, b))
    check(m, (a, b), out, pairs_of(16, 6, 0, 1))


@pytest.mark.parametrize("bits", [8, 9])
def test_booth(bits):
    """All values of the recoded factor."""
    m, a, b, out = Module(), Signal(signed(bits)), Signal(16), Signal(signed(bits + 16))
    rows = booth_rows(a, b)
    assert len(rows) == (bits + 1) // 2 + 1
    m.d.comb += out.eq(booth_sum(rows))
    low = -(1 << bits - 1)
    check(m, (a, b), out, pairs_of(bits, 16, low, 2) + [(v, f) for v in range(low, -low) for f in (40000, 65535)])


def test_split_multiply():
    m, a, b, out = Module(), Signal(signed(32)), Signal(16), Signal(signed(49))
    m.d.comb += out.eq(split_multiply(a, b))
    check(m, (a, b), out, pairs_of(32, 16, -(1 << 31), 3))


def test_where_they_are_used():
    assert [c for c in ("tiny", "pynq_z2", "kv260", "zcu104") if scarce(get_config(c))] == ["pynq_z2"]
