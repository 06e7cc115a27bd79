"""The read DMA against a memory with stalls: every word once, burst rules, errors, flush, no bubbles."""
from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest
from hw_helpers import ReadMemory, run, small, take

from nigiri_hw.core.dma_read import ReadDMA
from nigiri_hw.core.request import Kind

BASE = 0x12_3456_7000
KINDS = list(Kind)


@cache
def content(word: int) -> int:
    """The 512 bits of a word of memory, by its number."""
    return random.Random(word).getrandbits(512)


class Bench:
    """A read DMA, its memories and what arrived."""

    def __init__(self, ctx, dut, config, **memory):
        self.ctx, self.dut, self.got, self.cycle = ctx, dut, [], 0
        self.memories = [ReadMemory(axi, config.port_bits, content, seed=n, **memory) for n, axi in enumerate(dut.axi)]
        ctx.set(dut.base, BASE)

    async def tick(self, request: dict | None = None) -> bool:
        """One cycle with `request` offered; whether it was taken."""
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.request.valid, int(request is not None))
        if request is not None:
            ctx.set(dut.request.payload, request)
        for memory in self.memories:
            memory.drive(ctx)
        bus = dut.bus
        if ctx.get(bus.valid):
            assert not ctx.get(dut.idle)
            value = sum(w << 64 * n for n, w in enumerate(take(ctx, bus.data)))
            self.got.append((ctx.get(bus.kind), ctx.get(bus.dest), ctx.get(bus.tag), ctx.get(bus.error), value))
        taken = request is not None and bool(ctx.get(dut.request.ready))
        for memory in self.memories:
            memory.step(ctx)
        await ctx.tick()
        self.cycle += 1
        return taken

    async def until_idle(self) -> None:
        await self.tick()
        while not self.ctx.get(self.dut.idle):
            await self.tick()
        assert all(memory.quiet for memory in self.memories)


def random_requests(dice: random.Random, count: int) -> list[dict]:
    def one() -> dict:
        offset = dice.choice((dice.randrange(2000), 64 * dice.randrange(1, 30) - dice.randint(1, 15), 2**32 - 16))
        return {"offset": offset, "count": dice.choice((1, 16, dice.randint(1, 16))), "kind": dice.choice(KINDS),
                "dest": dice.randrange(2**20 - 16), "tag": dice.getrandbits(16)}
    return [one() for _ in range(count)]


def expected_words(requests, bad=()) -> Counter:
    """What must arrive, in any order."""
    out: Counter = Counter()
    for r in requests:
        for n in range(r["count"]):
            word = BASE // 64 + r["offset"] + n
            out[r["kind"], r["dest"] + n, r["tag"], int(64 * word in bad), content(word)] += 1
    return out


@pytest.mark.parametrize(("ports", "bits"), [(1, 64), (2, 64), (3, 128)])
@pytest.mark.parametrize("stalls", [0, 0.5])
@pytest.mark.parametrize("idle", [0, 0.9])
def test_every_word_arrives_once(ports, bits, stalls, idle):
    """Requests of 1 to 16 words at any offset, some answered with an error; `idle`: chance of no request in a cycle."""
    config, dice = small(ports=ports, port_bits=bits), random.Random(f"{ports} {stalls} {idle}")
    dut, requests = ReadDMA(config), random_requests(dice, 15)
    bad = {64 * (BASE // 64 + r["offset"] + dice.randrange(r["count"])) for r in requests if dice.random() < 0.3}

    async def testbench(ctx):
        bench, waiting = Bench(ctx, dut, config, stalls=stalls), list(requests)
        for memory in bench.memories:
            memory.bad = bad
        while waiting:
            if dice.random() < idle:
                await bench.tick()
            elif await bench.tick(waiting[0]):
                waiting.pop(0)
        await bench.until_idle()
        assert Counter(bench.got) == expected_words(requests, bad)
        longest = {beats for memory in bench.memories for _, beats in memory.bursts}
        assert max(longest) == 16
        assert all(memory.bursts for memory in bench.memories), "a port is never used"
    run(dut, testbench)


def test_words_of_one_port_arrive_in_order():
    config, dut = small(), ReadDMA(small())
    requests = random_requests(random.Random(3), 10)

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, stalls=0.3)
        for request in requests:
            while not await bench.tick(request):
                pass
        await bench.until_idle()
        assert [g[:3] for g in bench.got] == [
            (r["kind"], r["dest"] + n, r["tag"]) for r in requests for n in range(r["count"])]
    run(dut, testbench)


@pytest.mark.parametrize(("ports", "bits"), [(1, 64), (2, 64), (2, 128), (4, 128)])
def test_no_bubbles(ports, bits):
    """Without stalls every port moves a beat a cycle: n words take their beats and a small constant."""
    config, dut = small(ports=ports, port_bits=bits), ReadDMA(small(ports=ports, port_bits=bits))
    requests = [{"offset": 16 * n, "count": 16, "kind": Kind.DYNAMIC, "dest": 16 * n, "tag": 0} for n in range(8)]

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, latency=3)
        for request in requests:
            while not await bench.tick(request):
                pass
        await bench.until_idle()
        beats = 128 * 512 // bits // ports
        assert beats <= bench.cycle <= beats + 16, f"{bench.cycle} cycles for {beats} beats a port"
    run(dut, testbench)


@pytest.mark.parametrize("ports", [1, 2])
@pytest.mark.parametrize("stalls", [0, 0.4])
def test_flush(ports, stalls):
    """A flush at any moment: sent bursts end properly, nothing more arrives, and the next request is right."""
    config, dice = small(ports=ports), random.Random(f"{ports} {stalls}")
    dut = ReadDMA(config)

    async def testbench(ctx):
        bench = Bench(ctx, dut, config, stalls=stalls)
        for _ in range(8):
            waiting = random_requests(dice, 4)
            for _ in range(dice.randint(1, 70)):
                if await bench.tick(waiting[0] if waiting else None):
                    waiting.pop(0)
            ctx.set(dut.flush, 1)
            await bench.tick()
            bench.got.clear()
            await bench.until_idle()
            assert not bench.got, "a word arrived after the flush"
            ctx.set(dut.flush, 0)
            after = random_requests(dice, 2)
            for request in after:
                while not await bench.tick(request):
                    pass
            await bench.until_idle()
            assert Counter(bench.got) == expected_words(after)
            bench.got.clear()
    run(dut, testbench)


def test_base_and_offset_make_the_address():
    """The address has 40 bits; an offset counts 64-byte words."""
    config, dut = small(), ReadDMA(small())

    async def testbench(ctx):
        bench = Bench(ctx, dut, config)
        request = {"offset": 2**28 + 5, "count": 3, "kind": Kind.ENTRY, "dest": 0, "tag": 0}
        while not await bench.tick(request):
            pass
        await bench.until_idle()
        start = BASE + 64 * (2**28 + 5)
        assert bench.memories[0].bursts == [(start, 8), (start + 64, 16)]
        assert [g[4] for g in bench.got] == [content(start // 64 + n) for n in range(3)]
    run(dut, testbench)
