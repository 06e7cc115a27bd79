"""The write DMA against a memory with stalls: order, promises, errors, flush, speed."""
from __future__ import annotations

import random

import pytest
from hw_helpers import WriteMemory, put, run, small, words_of

from nigiri_hw.core.dma_write import DEPTH, WriteDMA

BASE = 0xAB_CDEF_0000
DELAY = 5
"""Cycles from a promise to its word, as the activation buffer has it."""


class Bench:
    """A write DMA fed like the sequencer feeds it: a promise now, its word DELAY cycles later."""

    def __init__(self, ctx, dut, config, **memory):
        self.ctx, self.dut, self.cycle, self.errors = ctx, dut, 0, 0
        self.memory = WriteMemory(dut.axi, config.port_bits, **memory)
        self.pipe: list[int | None] = [None] * DELAY
        ctx.set(dut.base, BASE)

    async def start(self, offset: int) -> None:
        self.ctx.set(self.dut.start, 1)
        self.ctx.set(self.dut.offset, offset)
        await self.tick()
        self.ctx.set(self.dut.start, 0)

    async def tick(self, word: int | None = None) -> bool:
        """One cycle, promising `word`; whether there was room for the next one."""
        ctx, dut = self.ctx, self.dut
        self.pipe.append(word)
        arriving = self.pipe.pop(0)
        ctx.set(dut.take, int(word is not None))
        ctx.set(dut.word_en, int(arriving is not None))
        if arriving is not None:
            put(ctx, dut.word, words_of(arriving, 8))
        self.memory.drive(ctx)
        if word is not None:
            assert ctx.get(dut.busy), "a promise is not busy at once"
        self.errors += ctx.get(dut.error)
        room = bool(ctx.get(dut.room))
        self.memory.step(ctx)
        await ctx.tick()
        self.cycle += 1
        return room

    async def send(self, words, gaps: float = 0.0, dice: random.Random | None = None) -> None:
        """Promise words as the sequencer does: it sees `room` a cycle before the promise counts."""
        words, room = list(words), True
        while words:
            now = room and not (dice and dice.random() < gaps)
            room = await self.tick(words.pop(0) if now else None)

    async def finish(self) -> None:
        while self.ctx.get(self.dut.busy):
            await self.tick()
        assert self.memory.quiet, "not busy although the memory has not everything"
        assert self.ctx.get(self.dut.idle)


@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize("stalls", [0, 0.5, 0.9])
@pytest.mark.parametrize("gaps", [0, 0.9])
def test_words_reach_memory_in_order(bits, stalls, gaps):
    config, dice = small(port_bits=bits), random.Random(f"{bits} {stalls} {gaps}")
    dut = WriteDMA(config)

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, stalls=stalls, seed=bits)
        for offset, count in ((63, 25), (2**28, 1), (5, 3)):
            words = [dice.getrandbits(512) for _ in range(count)]
            await bench.start(offset)
            await bench.send(words, gaps, dice)
            await bench.finish()
            first = BASE // 64 + offset
            assert [bench.memory.memory.pop(first + n) for n in range(count)] == words
            assert not bench.memory.memory and bench.memory.order[-count:] == list(range(first, first + count))
        assert bench.errors == 0
    run(dut, testbench)


def test_never_more_promises_than_there_is_room_for():
    """A memory that takes nothing: the DMA stops the promises, and no word is lost."""
    config, dut = small(), WriteDMA(small())
    words = [random.Random(n).getrandbits(512) for n in range(3 * DEPTH)]

    async def testbench(ctx):
        bench = Bench(ctx, dut, config)
        await bench.start(0)
        bench.memory.stalls, room, waiting = 1.1, True, list(words)
        for _ in range(60):
            room = await bench.tick(waiting.pop(0) if room else None)
        assert not room and len(words) - len(waiting) <= DEPTH + 1
        bench.memory.stalls = 0
        while waiting:
            room = await bench.tick(waiting.pop(0) if room else None)
        await bench.finish()
        assert [bench.memory.memory[BASE // 64 + n] for n in range(len(words))] == words
    run(dut, testbench)


@pytest.mark.parametrize("bits", [64, 128])
def test_speed(bits):
    """Without stalls a word takes its beats and one cycle."""
    config, dut = small(port_bits=bits), WriteDMA(small(port_bits=bits))

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, latency=3)
        await bench.start(0)
        await bench.send(range(40))
        await bench.finish()
        assert bench.cycle <= 40 * (512 // bits + 1) + 16
    run(dut, testbench)


def test_error_answers_are_reported_once_each():
    config, dut = small(), WriteDMA(small())

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, stalls=0.2)
        bench.memory.bad = {BASE + 64 * 3, BASE + 64 * 7}
        await bench.start(0)
        await bench.send(range(10))
        await bench.finish()
        assert bench.errors == 2
    run(dut, testbench)


@pytest.mark.parametrize("stalls", [0, 0.5])
def test_flush(stalls):
    """A flush at any moment: a begun burst ends properly, waiting words vanish, and the next ones are right."""
    config, dice = small(), random.Random(str(stalls))
    dut = WriteDMA(config)

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, stalls=stalls, latency=6)
        for _ in range(10):
            before = [dice.getrandbits(512) for _ in range(12)]
            await bench.start(100)
            await bench.send(before[:dice.randint(1, 12)])
            for _ in range(dice.randrange(60)):
                await bench.tick()
            ctx.set(dut.flush, 1)
            bench.pipe = [None] * DELAY
            await bench.tick()
            while not ctx.get(dut.idle):
                await bench.tick()
            assert bench.memory.quiet and not ctx.get(dut.busy)
            ctx.set(dut.flush, 0)
            assert all(word == before[n - BASE // 64 - 100] for n, word in bench.memory.memory.items())
            bench.memory.memory.clear()
            after = [dice.getrandbits(512) for _ in range(3)]
            await bench.start(7)
            await bench.send(after)
            await bench.finish()
            assert bench.memory.memory == {BASE // 64 + 7 + n: w for n, w in enumerate(after)}
            bench.memory.memory.clear()
    run(dut, testbench)
