"""Datapath helpers: rounding, saturation, delays, adder trees; layouts of records against the specification."""
from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module, Mux, Signal, Value, signed
from hw_helpers import run

from nigiri.spec import arith, descriptor, residency
from nigiri_hw.core.layer import descriptor_layout, fill_layout
from nigiri_hw.lib.util import clamp8, delay, half_of, shift_round, tree_sum


@pytest.mark.parametrize("bits", [49, 27])
def test_shift_round(bits):
    """Two cycles, every shift, values near the halves and at the ends; saturated to 12 bits."""
    m, dice = Module(), random.Random(bits)
    value, shift, half = Signal(signed(bits)), Signal(6), Signal(bits - 1)
    m.d.comb += half.eq(half_of(shift, bits))
    late = Signal(signed(bits))
    m.d.sync += late.eq(value)
    out = shift_round(m, value, half, shift, "dut")
    top, items = 2**(bits - 1), []
    for s in range(64):
        near = dice.randint(-130, 130) << s
        middle = near + (1 << s >> 1)
        for v in (near, middle, middle - 1, top - 1, -top, dice.randint(-top, top - 1), -1, 0):
            items.append((max(-top, min(top - 1, v)), s))

    async def testbench(ctx):
        for cycle in range(len(items) + 2):
            if cycle >= 2:
                v, s = items[cycle - 2]
                assert ctx.get(out) == arith.clamp(arith.shift_round(v, s), -2048, 2047), f"{v} >> {s}"
            if cycle < len(items):
                ctx.set(value, items[cycle][0])
                ctx.set(shift, items[cycle][1])
            await ctx.tick()
    run(m, testbench)


def test_combinational_helpers():
    m, x, shift = Module(), Signal(signed(13)), Signal(6)
    terms = [Signal(signed(8), name=f"t{n}") for n in range(7)]
    low, half, short, total = Signal(signed(8)), Signal(64), Signal(64), Signal(signed(12))
    m.d.comb += [low.eq(clamp8(x)), half.eq(half_of(shift)), short.eq(half_of(shift, 27)), total.eq(tree_sum(terms))]
    m.d.sync += Signal().eq(1)
    dice = random.Random(0)

    async def testbench(ctx):
        for value in (*range(-260, 260), -4096, 4095):
            ctx.set(x, value)
            assert ctx.get(low) == arith.clamp(value)
        for s in range(64):
            ctx.set(shift, s)
            assert ctx.get(half) == (1 << s) >> 1
            assert ctx.get(short) == ((1 << s) >> 1 if s < 27 else 0)
        for _ in range(50):
            values = [dice.choice((-128, 127, dice.randint(-128, 127))) for _ in terms]
            for signal, value in zip(terms, values, strict=True):
                ctx.set(signal, value)
            assert ctx.get(total) == sum(values)
    run(m, testbench)


@pytest.mark.parametrize("cycles", [0, 1, 4])
def test_delay(cycles):
    m, x = Module(), Signal(signed(8))
    out = delay(m, x, cycles, "x")
    assert Value.cast(out).shape() == signed(8)
    m.d.sync += Signal().eq(Mux(x == 0, 1, 0))
    values = [random.Random(n).randint(-128, 127) for n in range(40)]

    async def testbench(ctx):
        for n, value in enumerate(values):
            ctx.set(x, value)
            assert ctx.get(out) == (values[n - cycles] if n >= cycles else 0)
            await ctx.tick()
    run(m, testbench)


@pytest.mark.parametrize(("layout", "record"), [(descriptor_layout(), descriptor), (fill_layout(), residency)])
def test_record_layouts_decode_what_the_specification_packs(layout, record):
    dice = random.Random(0)
    assert layout.size == 8 * record.BYTES
    for _ in range(20):
        values = {f.name: dice.choice((f.low, f.high, dice.randint(f.low, f.high))) for f in record.FIELDS}
        values["magic"] = record.MAGIC
        const = layout.from_bits(int.from_bytes(record.pack(**values), "little"))
        assert {name: getattr(const, name) for name in values} == values
