"""A ring of the dynamic buffer: words come in any order, `ready` counts them without a gap, laps, release, clear."""
from __future__ import annotations

import random

import pytest
from hw_helpers import put, run, small, take

from nigiri_hw.core.dynbuf import IN_FLIGHT, DynamicBuffer

CONFIG = small(groups=2, db_words=128)
DEPTH = CONFIG.ring_words


class Ring:
    """What the ring should hold: positions count up for ever."""

    def __init__(self):
        self.head = self.tail = 0
        self.releases: list[tuple[int, int]] = []   # (cycle, words)
        self.written: dict[int, int] = {}           # position -> cycle
        self.words: dict[int, list[int]] = {}

    def release(self, cycle: int, count: int) -> None:
        self.tail += count
        self.releases.append((cycle, count))

    def free(self, cycle: int) -> int:
        """Slots that may be allocated: a released word keeps its slot until reads of it are over."""
        reading = sum(count for when, count in self.releases if when + IN_FLIGHT >= cycle)
        return DEPTH - (self.head - self.tail) - reading

    def ready(self, cycle: int) -> int:
        """Words without a gap from the tail that were written two cycles before `cycle` or earlier."""
        n = 0
        while self.written.get(self.tail + n, cycle) <= cycle - 2:
            n += 1
        return n


async def empty(ctx, dut) -> None:
    """Clear the ring and wait for it."""
    ctx.set(dut.clear, 1)
    await ctx.tick()
    ctx.set(dut.clear, 0)
    assert ctx.get(dut.busy)
    cycles = 0
    while ctx.get(dut.busy):
        await ctx.tick()
        cycles += 1
    assert cycles == DEPTH
    assert [ctx.get(dut.free), ctx.get(dut.ready), ctx.get(dut.tail), ctx.get(dut.head)] == [DEPTH, 0, 0, 0]


async def write(ctx, dut, ring: Ring, position: int, cycle: int, dice: random.Random) -> None:
    ring.written[position], ring.words[position] = cycle, [dice.getrandbits(64) for _ in range(8)]
    ctx.set(dut.wr_en, 1)
    ctx.set(dut.wr_pos, position % (2 * DEPTH))
    put(ctx, dut.wr_data, ring.words[position])


@pytest.mark.parametrize("scatter", [1, 8, 64])
def test_random_traffic(scatter):
    """Runs are allocated, written up to `scatter` words out of order, read and released; many laps, and a clear."""
    dut, dice = DynamicBuffer(CONFIG), random.Random(scatter)

    async def testbench(ctx):
        await empty(ctx, dut)
        for _ in range(2):
            ring, missing, sure, gaps, read = Ring(), [], 0, dice.random() * 0.5, None
            for cycle in range(400):
                free = ring.free(cycle)
                assert ctx.get(dut.free) == free and ctx.get(dut.head) == ring.head % (2 * DEPTH)
                assert ctx.get(dut.tail) == ring.tail % DEPTH
                ready = ctx.get(dut.ready)
                assert sure <= ready <= ring.ready(cycle), f"cycle {cycle}: a word counts that is not there"
                if read is not None:
                    assert take(ctx, dut.rd_data) == ring.words[read]
                read = ring.tail + dice.randrange(ready) if ready else None
                if read is not None:
                    ctx.set(dut.rd_addr, read % DEPTH)
                run_words = dice.randint(1, 20)
                allocate = run_words <= free and dice.random() < 0.5
                ctx.set(dut.alloc_en, int(allocate))
                ctx.set(dut.alloc_count, run_words)
                ctx.set(dut.wr_en, 0)
                if missing and dice.random() >= gaps:
                    position = missing.pop(dice.randrange(min(scatter, len(missing))))
                    await write(ctx, dut, ring, position, cycle, dice)
                release = dice.randint(0, ready) if dice.random() < 0.2 else 0
                ctx.set(dut.release_en, int(release > 0))
                ctx.set(dut.release_count, release)
                if allocate:
                    missing += range(ring.head, ring.head + run_words)
                    ring.head += run_words
                ring.release(cycle, release)
                sure = max(0, ready - release)
                await ctx.tick()
            assert ring.tail > 2 * DEPTH, "the test makes too few laps"
            for name in ("wr_en", "alloc_en", "release_en"):
                ctx.set(getattr(dut, name), 0)
            await empty(ctx, dut)
    run(dut, testbench)


def test_words_count_two_cycles_after_they_are_written():
    """In order and without a gap, one word a cycle, across several laps."""
    dut, dice = DynamicBuffer(CONFIG), random.Random(0)

    async def testbench(ctx):
        await empty(ctx, dut)
        ring = Ring()
        for cycle in range(5 * DEPTH):
            ready = ctx.get(dut.ready)
            assert ready == ring.ready(cycle)
            if cycle >= 4:
                assert ready == 2
            release = ready == 2
            ctx.set(dut.release_en, int(release))
            ctx.set(dut.release_count, 1)
            ctx.set(dut.alloc_en, 1)
            ctx.set(dut.alloc_count, 1)
            await write(ctx, dut, ring, ring.head, cycle, dice)
            ring.head += 1
            ring.tail += release
            await ctx.tick()
    run(dut, testbench)


def test_a_missing_word_holds_everything_behind_it():
    dut, dice = DynamicBuffer(CONFIG), random.Random(0)

    async def testbench(ctx):
        await empty(ctx, dut)
        ring = Ring()
        ctx.set(dut.alloc_en, 1)
        ctx.set(dut.alloc_count, DEPTH)
        for position in (*range(10), *range(11, DEPTH)):
            await write(ctx, dut, ring, position, 0, dice)
            await ctx.tick()
            ctx.set(dut.alloc_en, 0)
        ctx.set(dut.wr_en, 0)
        for _ in range(20):
            await ctx.tick()
            assert ctx.get(dut.ready) == 10
        await write(ctx, dut, ring, 10, 0, dice)
        await ctx.tick()
        ctx.set(dut.wr_en, 0)
        await ctx.tick().repeat(DEPTH)
        assert ctx.get(dut.ready) == DEPTH and ctx.get(dut.free) == 0
    run(dut, testbench)


@pytest.mark.parametrize("lag", [0, 1, IN_FLIGHT])
def test_words_released_one_by_one(lag):
    """Blocks pass through a full ring the way the sequencer uses it: a word is released with the slot that needs it
    last, and read up to IN_FLIGHT cycles later, while the fetch unit takes every free slot at once."""
    dut, dice = DynamicBuffer(CONFIG), random.Random(lag)

    async def testbench(ctx):
        await empty(ctx, dut)
        ring, reads, checks, missing, most = Ring(), {}, {}, [], 0
        for cycle in range(8 * DEPTH):
            free = ring.free(cycle)
            assert ctx.get(dut.free) == free
            ctx.set(dut.alloc_en, int(free > 0))
            ctx.set(dut.alloc_count, free)
            missing += range(ring.head, ring.head + free)
            ring.head += free
            ctx.set(dut.wr_en, 0)
            if missing:
                await write(ctx, dut, ring, missing.pop(0), cycle, dice)
            if cycle in checks:
                assert take(ctx, dut.rd_data) == checks.pop(cycle), f"cycle {cycle}: a word under way was overwritten"
            ready = ctx.get(dut.ready)
            most = max(most, ready)
            # A pause now and then, so that the ring is full as well as nearly empty.
            release = ready > 0 and cycle % 150 > 80
            if release:
                reads[cycle + lag] = ring.tail
                checks[cycle + lag + 1] = ring.words[ring.tail]
                ring.release(cycle, 1)
            if cycle in reads:
                ctx.set(dut.rd_addr, reads.pop(cycle) % DEPTH)
            ctx.set(dut.release_en, int(release))
            ctx.set(dut.release_count, 1)
            await ctx.tick()
            assert ctx.get(dut.tail) == ring.tail % DEPTH
        assert ring.tail > 2 * DEPTH and most == DEPTH
    run(dut, testbench)
