"""LOAD: every word is asked for once and lands where it belongs, whatever arrives beside it."""
from __future__ import annotations

import random

import pytest
from hw_helpers import put, run, small, take, words_of

from nigiri_hw.core.loader import Loader
from nigiri_hw.core.request import Kind


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("words", [1, 15, 16, 17, 33, 64])
def test_words_arrive(words, stalls):
    config = small(ab_words=1024)
    dut = Loader(config)
    dice = random.Random(words)
    data = [dice.getrandbits(512) for _ in range(words)]

    async def bench(ctx):
        buffer, answers, asked, cycles = {}, [], [], 0
        put(ctx, (dut.offset, dut.words, dut.dest, dut.tag, dut.start), (500, words, 64, 7, 1))
        assert ctx.get(dut.busy)
        await ctx.tick()
        ctx.set(dut.start, 0)
        while ctx.get(dut.busy):
            ready = dice.random() >= stalls
            ctx.set(dut.request.ready, ready)
            # Words of other units pass by on the bus.
            mine = bool(answers) and dice.random() >= stalls
            ctx.set(dut.bus.valid, mine or dice.random() < 0.3)
            ctx.set(dut.bus.kind, Kind.ACTIVATION if mine else Kind.DYNAMIC)
            if mine:
                at, dest = answers.pop(0)
                ctx.set(dut.bus.dest, dest)
                put(ctx, dut.bus.data, words_of(data[at - 500], 8))
            assert bool(ctx.get(dut.load_en)) == mine
            if mine:
                where = ctx.get(dut.load_addr)
                for n, word in enumerate(take(ctx, dut.load_words)):
                    assert where + n not in buffer
                    buffer[where + n] = word
            if ctx.get(dut.request.valid) and ready:
                p = dut.request.payload
                first, count, dest = (ctx.get(x) for x in (p.offset, p.count, p.dest))
                assert ctx.get(p.kind) == Kind.ACTIVATION and ctx.get(p.tag) == 7 and 1 <= count <= 16
                asked += range(first, first + count)
                answers += [(first + k, dest + k) for k in range(count)]
            await ctx.tick()
            cycles += 1
        assert asked == list(range(500, 500 + words))
        assert buffer == {64 + 8 * w + n: x for w in range(words) for n, x in enumerate(words_of(data[w], 8))}
        if not stalls:
            assert cycles <= words + words // 16 + 6, "bubbles between requests"
    run(dut, bench)


def test_halt_asks_for_nothing_more():
    dut = Loader(small())

    async def bench(ctx):
        put(ctx, (dut.offset, dut.words, dut.start, dut.request.ready), (0, 40, 1, 1))
        await ctx.tick()
        put(ctx, (dut.start, dut.halt), (0, 1))
        for _ in range(5):
            assert not ctx.get(dut.request.valid)
            await ctx.tick()
    run(dut, bench)
