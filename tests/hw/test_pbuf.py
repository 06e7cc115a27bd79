"""The persistent buffer: what fills write is what runs deliver, with and without stalls."""
from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module, Signal
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


@pytest.mark.parametrize("rings", [1, 4])
@pytest.mark.parametrize("puts", [0, 0.6])
@pytest.mark.parametrize("stalls", [0, 0.5])
def test_runs(rings, puts, stalls):
    """Runs come out in order, each engine's at its own pace; words hold until they are taken; busy covers all of it."""
    groups = {"lanes": 8, "requant_pixels": 4, "groups": 4, "db_words": 256} if rings == 4 else {}
    config = small(pb_words=WORDS, **groups)
    dut, dice = PersistentBuffer(config), random.Random(f"{rings} {puts} {stalls}")
    content = [[dice.getrandbits(64) for _ in range(8)] for _ in range(WORDS)]
    laps = 2 * config.ring_words
    runs = [(dice.randrange(WORDS - 16), dice.randrange(laps), dice.randint(1, 16), dice.randrange(rings))
            for _ in range(60)]
    expected = [[((pos + n) % laps, content[addr + n]) for addr, pos, count, r in runs if r == ring
                 for n in range(count)] for ring in range(rings)]

    async def testbench(ctx):
        await fill(ctx, dut, content)
        waiting, got, held, cycles = list(runs), [[] for _ in range(rings)], [None] * rings, 0
        while [len(g) for g in got] != [len(e) for e in expected]:
            offer = bool(waiting) and dice.random() >= puts
            ctx.set(dut.run_valid, int(offer))
            if offer:
                addr, pos, count, ring = waiting[0]
                ctx.set(dut.run_addr, addr)
                ctx.set(dut.run_pos, pos | ring * 2 * laps)
                ctx.set(dut.run_count, count)
            ready = [dice.random() >= stalls for _ in range(rings)]
            ctx.set(dut.out_ready, sum(1 << n for n in range(rings) if ready[n]))
            if offer and ctx.get(dut.run_ready):
                waiting.pop(0)
            for n in range(rings):
                valid = ctx.get(dut.out_valid) >> n & 1
                out = (ctx.get(dut.out_pos[n]), take(ctx, dut.out_data[n])) if valid else None
                assert held[n] is None or out == held[n], "an offered word changed before it was taken"
                assert ctx.get(dut.busy) or not out
                held[n] = out if out and not ready[n] else None
                if out and ready[n]:
                    got[n].append(out)
            cycles += 1
            await ctx.tick()
        assert got == expected
        if not puts and not stalls and rings == 1:
            assert cycles == len(expected[0]) + 4
        ctx.set(dut.out_ready, 0)
        await ctx.tick()
        assert not ctx.get(dut.busy) and not ctx.get(dut.out_valid)
    run(dut, testbench)


def test_engines_share_the_banks():
    """Four engines that begin in the same bank deliver a word each in every cycle but the first few."""
    config = small(pb_words=WORDS, lanes=8, requant_pixels=4, groups=4, db_words=256)
    dut = PersistentBuffer(config)

    async def testbench(ctx):
        await fill(ctx, dut, [[n] * 8 for n in range(WORDS)])
        ctx.set(dut.out_ready, 15)
        ctx.set(dut.run_valid, 1)
        ctx.set(dut.run_count, 48)
        for ring in range(4):
            ctx.set(dut.run_pos, ring * 4 * config.ring_words)
            await ctx.tick()
        ctx.set(dut.run_valid, 0)
        words, cycles = 0, 4
        while words < 4 * 48:
            words += ctx.get(dut.out_valid).bit_count()
            cycles += 1
            await ctx.tick()
        assert cycles <= 48 + 4 + 3 + 4
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
