"""The persistent buffer: what fills write is what runs deliver, with and without stalls."""
from __future__ import annotations

import random

import pytest
from amaranth.hdl import Cat, Module, Signal
from hw_helpers import put, run, small, take

from nigiri_hw.core.pbuf import PersistentBuffer

WORDS = 64


async def fill(ctx, dut, content) -> None:
    ctx.set(dut.wr_en, 1)
    for addr, words in enumerate(content):
        ctx.set(dut.wr_addr, addr)
        put(ctx, dut.wr_data, words)
        await ctx.tick()
    ctx.set(dut.wr_en, 0)


@pytest.mark.parametrize("puts", [0, 0.6])
@pytest.mark.parametrize("stalls", [0, 0.5])
def test_runs(puts, stalls):
    """Runs of 1 to 16 words come out in order; valid and data hold until they are taken; busy covers all of it."""
    dut, dice = PersistentBuffer(small(pb_words=WORDS)), random.Random(f"{puts} {stalls}")
    content = [[dice.getrandbits(64) for _ in range(8)] for _ in range(WORDS)]
    # Eight bits of place: six of the position, the lap, and the carry of a run that ends in the next lap.
    runs = [(dice.randrange(WORDS - 16), dice.randrange(256), dice.randint(1, 16)) for _ in range(40)]
    expected = [((pos + n) % 256, content[addr + n]) for addr, pos, count in runs for n in range(count)]

    async def testbench(ctx):
        await fill(ctx, dut, content)
        waiting, got, held, cycles, first, accepted = list(runs), [], None, 0, None, None
        while len(got) < len(expected):
            offer = bool(waiting) and dice.random() >= puts
            ctx.set(dut.run_valid, int(offer))
            if offer:
                ctx.set(Cat(dut.run_addr, dut.run_pos, dut.run_count),
                        waiting[0][0] | waiting[0][1] << 20 | waiting[0][2] << 28)
            ready = dice.random() >= stalls
            ctx.set(dut.out_ready, int(ready))
            if offer and ctx.get(dut.run_ready):
                accepted = cycles if accepted is None else accepted
                waiting.pop(0)
            out = (ctx.get(dut.out_pos), take(ctx, dut.out_data)) if ctx.get(dut.out_valid) else None
            assert held is None or out == held, "an offered word changed before it was taken"
            if out:
                assert ctx.get(dut.busy)
                first = cycles if first is None else first
            held = out if out and not ready else None
            if out and ready:
                got.append(out)
            cycles += 1
            await ctx.tick()
        assert got == expected
        assert first == accepted + 3
        if not puts and not stalls:
            assert cycles == len(expected) + 3
        ctx.set(dut.out_ready, 0)
        await ctx.tick()
        assert not ctx.get(dut.busy) and not ctx.get(dut.out_valid)
    run(dut, testbench)


def test_without_words_it_takes_runs_and_delivers_nothing():
    m, dut = Module(), PersistentBuffer(small(pb_words=0))
    m.submodules.dut = dut
    m.d.sync += Signal().eq(1)          # the simulator wants a clock

    async def testbench(ctx):
        ctx.set(dut.run_valid, 1)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.run_ready) and not ctx.get(dut.out_valid) and not ctx.get(dut.busy)
    run(m, testbench)
