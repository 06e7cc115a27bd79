"""The activation buffer against an array of words: both write groups, the load port, reads at every start."""
from __future__ import annotations

import random

import pytest
from amaranth.hdl import Cat
from hw_helpers import put, run, small, take, words_of

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.actbuf import LATENCY, ActivationBuffer

CONFIGS = {
    "1 lane": small(lanes=1, requant_pixels=1, ab_words=128),
    "2 lanes": small(lanes=2, requant_pixels=1, ab_words=128),
    "4 lanes": small(lanes=4, requant_pixels=2),
    "4 lanes at once": small(lanes=4, requant_pixels=4),
    "8 lanes": small(lanes=8, requant_pixels=8),
    "4 lanes, no power of two": small(lanes=4, requant_pixels=2, ab_words=384),
    "12 lanes, 3 words a group": small(lanes=12, requant_pixels=6, groups=2, ab_words=512),
    "20 lanes, 5 words a group": small(lanes=20, requant_pixels=10, groups=2, ab_words=512),
}


def places(config: AcceleratorConfig, room: int) -> int:
    """Addresses from which `room` words exist: all where the buffer wraps at its end, which a power of two does."""
    return config.ab_words if config.ab_words == config.ab_span else config.ab_words - room + 1


def random_writes(dice: random.Random, config: AcceleratorConfig, half: int):
    """Two groups that meet in no bank: [(start, words), (start, words)]."""
    while True:
        groups = []
        for _ in range(2):
            count = dice.randint(0, half)
            groups.append((dice.randrange(places(config, half)), [dice.getrandbits(64) for _ in range(count)]))
        banks = [(start + n) % config.banks for start, words in groups for n in range(len(words))]
        if len(set(banks)) == len(banks):
            return groups


def write(ctx, dut, groups) -> None:
    for g, (start, words) in enumerate(groups):
        ctx.set(dut.wr_start[g], start)
        ctx.set(dut.wr_count[g], len(words))
        for k, word in enumerate(words):
            ctx.set(dut.wr_words[g][k], word)


def store(model: list[int], start: int, words) -> None:
    for n, word in enumerate(words):
        model[(start + n) % len(model)] = word


@pytest.mark.parametrize("name", CONFIGS)
def test_random_traffic(name):
    """Writes, loads and a read in every cycle; a read sees what was written two cycles or more before it."""
    config, dice = CONFIGS[name], random.Random(name)
    dut = ActivationBuffer(config)
    model = [0] * config.ab_words

    async def testbench(ctx):
        expected, waiting = {}, []
        for cycle in range(200):
            # A write leaves its register one cycle late; a read looks one cycle late as well and gets the old word.
            for start, words in waiting:
                store(model, start, words)
            waiting = []
            addr = dice.randrange(places(config, config.lanes + 6))
            ctx.set(dut.addr, addr)
            expected[cycle + LATENCY] = [model[(addr + j) % config.ab_words] for j in range(config.lanes + 6)]
            loading = dice.random() < 0.3
            ctx.set(dut.load_en, int(loading))
            if loading:
                words, start = [dice.getrandbits(64) for _ in range(8)], 8 * dice.randrange(config.ab_words // 8)
                ctx.set(dut.load_addr, start)
                put(ctx, dut.load_words, words)
                waiting.append((start, words))
                write(ctx, dut, [(0, []), (0, [])])
            else:
                groups = random_writes(dice, config, dut.half)
                write(ctx, dut, groups)
                waiting += groups
            if cycle >= LATENCY:
                assert words_of(ctx.get(Cat(*dut.window)), config.lanes + 6) == expected.pop(cycle), f"cycle {cycle}"
            await ctx.tick()
    run(dut, testbench)


@pytest.mark.parametrize("name", ["2 lanes", "4 lanes"])
def test_reads_at_every_start_one_a_cycle(name):
    """The whole buffer filled through the load port, then read at every address, wrapping at its end."""
    config = CONFIGS[name]
    dut = ActivationBuffer(config)
    content = [(n + 1) * 0x9E37_79B9_7F4A_7C15 % 2**64 for n in range(config.ab_words)]

    async def testbench(ctx):
        ctx.set(dut.load_en, 1)
        for start in range(0, config.ab_words, 8):
            ctx.set(dut.load_addr, start)
            put(ctx, dut.load_words, content[start:start + 8])
            await ctx.tick()
        ctx.set(dut.load_en, 0)
        await ctx.tick()
        for cycle in range(config.ab_words + LATENCY):
            ctx.set(dut.addr, cycle % config.ab_words)
            if cycle >= LATENCY:
                first = cycle - LATENCY
                expected = [content[(first + j) % config.ab_words] for j in range(config.lanes + 6)]
                assert take(ctx, dut.window) == expected
            await ctx.tick()
    run(dut, testbench)


def test_contents_are_zero_at_power_on():
    dut = ActivationBuffer(CONFIGS["2 lanes"])

    async def testbench(ctx):
        await ctx.tick().repeat(LATENCY)
        assert not any(take(ctx, dut.window))
    run(dut, testbench)
