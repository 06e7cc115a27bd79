"""The descriptor queue: both consumers see every descriptor in order, whatever the memory and they do; the window."""
from __future__ import annotations

import random

import pytest
from hw_helpers import put, run, words_of

from nigiri_hw.core.descriptors import DEPTH, DescriptorQueue
from nigiri_hw.core.request import Kind


def content(word: int) -> int:
    return random.Random(word).getrandbits(512)


async def drive(ctx, dut, length, *, window=4096, offset=100, stalls=0.0, slow=(0.0, 0.0), seed=0, cycles=4000):
    """Run a program; what fetch and sequencer saw, the words that were asked for, and the cycles."""
    dice = random.Random(seed)
    seen, asked, answers = ([], []), [], []
    put(ctx, (dut.window_size, dut.offset, dut.length, dut.start), (window, offset, length, 1))
    await ctx.tick()
    ctx.set(dut.start, 0)
    for cycle in range(cycles):
        ready = dice.random() >= stalls
        ctx.set(dut.request.ready, ready)
        arriving = answers and answers[0][0] <= cycle and dice.random() >= stalls
        ctx.set(dut.bus.valid, bool(arriving))
        ctx.set(dut.bus.kind, Kind.DESCRIPTOR)
        if arriving:
            _, word, dest = answers.pop(0)
            ctx.set(dut.bus.dest, dest)
            put(ctx, dut.bus.data, words_of(content(word), 8))
        for n, (valid, value, pop) in enumerate(((dut.fetch_valid, dut.fetch, dut.fetch_pop),
                                                 (dut.run_valid, dut.run, dut.run_pop))):
            taken = bool(ctx.get(valid)) and dice.random() >= slow[n]
            ctx.set(pop, taken)
            if taken:
                seen[n].append(ctx.get(value.as_value()))
        if ctx.get(dut.request.valid) and ready:
            p = dut.request.payload
            first, count, dest = (ctx.get(x) for x in (p.offset, p.count, p.dest))
            assert count == 2 and first + 2 <= window
            asked.append(first)
            answers += [(cycle + 5, first + k, dest + k) for k in range(2)]
        if len(seen[0]) == len(seen[1]) == length or ctx.get(dut.failed):
            break
        await ctx.tick()
    return seen, asked, cycle


@pytest.mark.parametrize("stalls", [0.0, 0.4])
@pytest.mark.parametrize("slow", [(0.0, 0.0), (0.8, 0.0), (0.0, 0.8), (0.5, 0.5)])
def test_both_see_every_descriptor(stalls, slow):
    dut = DescriptorQueue()

    async def bench(ctx):
        for length in (1, 2, 7, 30):
            seen, asked, _ = await drive(ctx, dut, length, stalls=stalls, slow=slow, seed=length)
            want = [content(100 + 2 * n) | content(101 + 2 * n) << 512 for n in range(length)]
            assert seen == (want, want) and asked == [100 + 2 * n for n in range(length)]
    run(dut, bench)


def test_reads_ahead():
    """With a memory of five cycles and consumers that are always ready, four descriptors are under way."""
    dut = DescriptorQueue()

    async def bench(ctx):
        _, _, cycles = await drive(ctx, dut, 40)
        assert cycles <= 40 * 8 / DEPTH + 20
    run(dut, bench)


@pytest.mark.parametrize(("offset", "good"), [(90, 5), (100, 0), (2**32 - 2, 0), (98, 1), (99, 0)])
def test_fails_where_the_window_ends(offset, good):
    """Descriptors inside are delivered; the first one outside is never asked for."""
    dut = DescriptorQueue()

    async def bench(ctx):
        seen, asked, _ = await drive(ctx, dut, 8, window=100, offset=offset)
        assert len(asked) == good and len(seen[1]) == good and ctx.get(dut.failed)
    run(dut, bench)
