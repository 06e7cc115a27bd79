"""Write-back: pixels land where the layout says, groups never meet in a bank, pooling equals the specification."""
from __future__ import annotations

import random

import pytest
from hw_helpers import layer_bits, run, signed, small, take

from nigiri.spec.arith import requantise
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri_hw.core.writeback import WriteBack

CONFIGS = {
    "1 at once": small(lanes=2, requant_pixels=1, ab_words=512, part="xc7z020clg400-1"),
    "2 at once": small(lanes=4, requant_pixels=2, ab_words=512),
    "4 at once": small(lanes=4, requant_pixels=4, ab_words=512),
    "8 at once": small(lanes=16, requant_pixels=8, ab_words=1024),
    "6 at once": small(lanes=12, requant_pixels=6, groups=2, ab_words=512),
    "4 groups": small(lanes=8, requant_pixels=4, groups=4, ab_words=1024),
    "4 groups, 8 at once": small(lanes=16, requant_pixels=8, groups=4, ab_words=1024),
    "2 groups": small(lanes=4, requant_pixels=2, groups=2, ab_words=512),
}
POOL = {"pool_mult": 40_000, "pool_shift": 17, "pool_zp": -3, "pool_offset": 77}


def interval_of(config: AcceleratorConfig, width: int, flags: int) -> int:
    """Cycles from one group to the next, as the sequencer chooses them."""
    g = config.requant_pixels
    if not flags & Flag.POLYPHASE or (width % g == 0 and g & (g - 1) == 0):
        return 1
    return next((n + 1 for n in range(1, 5) if n + 1 < g and width >= -(-(g - 1) // n)), g)


def place(layer: dict, width: int, block: int, pixel: int) -> int:
    """Address of a pixel before it wraps: nigiri.spec.layout."""
    base = layer["out_base"] + block * layer["out_stride"]
    if not layer["flags"] & Flag.POLYPHASE:
        return base + pixel
    y, x = divmod(pixel, width)
    return base + (2 * (y % 2) + x % 2) * layer["out_phase"] + y // 2 * ((width + 1) // 2) + x // 2


def pooled(layer: dict, words: list[int]) -> int:
    """The pooled word of all pixels of a block."""
    out = 0
    for c in range(8):
        total = sum(signed(w >> 8 * c, 8) for w in words)
        v = requantise(total, layer["pool_offset"], layer["pool_mult"], layer["pool_shift"], layer["pool_zp"])
        out |= (v & 255) << 8 * c
    return out


class Watch:
    """Stores what goes to the activation buffer and holds it to the buffer's rule."""

    def __init__(self, config: AcceleratorConfig):
        self.config, self.memory, self.tiles, self.pools = config, {}, 0, 0

    def look(self, ctx, dut) -> None:
        banks: set[int] = set()
        for start, count, words in zip(take(ctx, dut.wr_start), take(ctx, dut.wr_count), dut.wr_words, strict=True):
            assert count <= dut.half
            for n in range(count):
                address = (start + n) % self.config.ab_words
                assert address % self.config.banks not in banks, "two words meet in a bank"
                banks.add(address % self.config.banks)
                assert address not in self.memory, f"word {address} is written twice"
                self.memory[address] = ctx.get(words[n])
        self.tiles += ctx.get(dut.tile_done)
        self.pools += ctx.get(dut.pool_done)


async def layer_run(ctx, dut, config, dice, layer: dict, width: int, height: int, blocks: int, slack: int = 0) -> None:
    """One layer at the tightest spacing plus up to `slack` cycles between tiles; checks everything that is written."""
    flags, split = layer["flags"], layer.get("split", 0)
    p = config.lanes >> split
    g = min(p, config.requant_pixels)
    drains = config.lanes // g
    pixels, interval = width * height, interval_of(config, width, flags)
    spacing = drains * interval
    data = [[dice.getrandbits(64) for _ in range(pixels)] for _ in range(blocks)]
    ctx.set(dut.layer.as_value(), layer_bits(**layer, out_blocks=blocks))
    ctx.set(dut.out_w, width)
    ctx.set(dut.pixels, pixels)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    await ctx.tick()
    watch, tiles = Watch(config), 0
    for block in range(0, blocks, 1 << split):
        for first in range(0, pixels, p):
            tiles += 1
            last = first + p >= pixels
            pause = spacing
            if flags & Flag.POOL:
                pause = max(spacing + 1, 21) if last else spacing + 1
            pause += dice.randint(0, slack)
            for cycle in range(pause):
                drain = cycle // interval
                ob, n = (block + drain, first) if split else (block, first + drain * g)
                valid = cycle % interval == 0 and cycle < spacing
                ctx.set(dut.valid, int(valid))
                for k in range(config.requant_pixels):
                    inside = valid and k < g and n + k < pixels and ob < blocks
                    ctx.set(dut.group[k], data[ob][n + k] if inside else dice.getrandbits(64))
                watch.look(ctx, dut)
                await ctx.tick()
    ctx.set(dut.valid, 0)
    for _ in range(24):
        watch.look(ctx, dut)
        await ctx.tick()
    expected = {}
    for block in range(blocks):
        if not flags & Flag.DISCARD:
            expected.update((place(layer, width, block, n) % config.ab_words, data[block][n]) for n in range(pixels))
        if flags & Flag.POOL:
            expected[(layer["pool_base"] + block) % config.ab_words] = pooled(layer, data[block])
    assert watch.memory == expected, f"{width} x {height}, flags {flags}"
    assert watch.tiles == tiles and watch.pools == (blocks if flags & Flag.POOL else 0)


def layer_of(config: AcceleratorConfig, dice: random.Random, flags: int, width: int, height: int) -> dict:
    """A layer whose output lies anywhere, with blocks and planes that do not overlap."""
    banks, pixels = config.banks, width * height
    phase = stride = 0
    if flags & Flag.POLYPHASE:
        plane = (width + 1) // 2 * ((height + 1) // 2)
        phase = (plane + banks // 2 - 1) // banks * banks + banks // 2
        while phase < plane:
            phase += banks
        pixels = 4 * phase
    stride = pixels + dice.randrange(5)
    base = dice.randrange(config.ab_words)
    pool = {"pool_base": base - 20 & config.ab_words - 1, **POOL} if flags & Flag.POOL else {}
    return {"flags": flags, "out_base": base, "out_stride": stride, "out_phase": phase, **pool}


def shapes(config: AcceleratorConfig) -> list[tuple[int, int]]:
    """(width, height): narrower than a group, odd, a multiple of the group, and partial last tiles."""
    g, p = config.requant_pixels, config.lanes
    widths = sorted({*range(1, min(g, 8) + 2), 5, p - 1, p + 1, 2 * g} - {0})
    return [(w, h) for w in widths for h in (1, 2, 3) if w * h <= 48] + [(1, 7), (7, 5)]


@pytest.mark.parametrize("name", list(CONFIGS)[:6])
@pytest.mark.parametrize("flags", [0, Flag.POLYPHASE], ids=["plain", "polyphase"])
def test_placement(name, flags):
    """Layer after layer without a reset between them, so that nothing of one is left in the next."""
    config, dice = CONFIGS[name], random.Random(f"{name} {flags}")
    dut = WriteBack(config)

    async def testbench(ctx):
        for width, height in shapes(config):
            layer = layer_of(config, dice, flags, width, height)
            blocks = 2 if 2 * layer["out_stride"] <= config.ab_words else 1
            await layer_run(ctx, dut, config, dice, layer, width, height, blocks, slack=dice.choice((0, 0, 2)))
    run(dut, testbench)


@pytest.mark.parametrize("name, split", [("2 groups", 1), ("6 at once", 1), ("4 groups", 1), ("4 groups", 2),
                                         ("4 groups, 8 at once", 2)])
@pytest.mark.parametrize("flags", [0, Flag.POLYPHASE, Flag.DISCARD], ids=["plain", "polyphase", "discard"])
def test_several_output_blocks(name, split, flags):
    """Every block of a set lands in its own tensor, over maps narrower, wider and smaller than a group, and where the
    last set lacks blocks; layers with one block at a time come between."""
    config, dice = CONFIGS[name], random.Random(f"{name} {split} {flags}")
    dut = WriteBack(config)

    async def testbench(ctx):
        most = 2 * (1 << split) + 1
        for n, (width, height) in enumerate(shapes(config)):
            layer = layer_of(config, dice, flags, width, height)
            blocks = min((most, 1, 1 << split, most - 2, most - 1)[n % 5], config.ab_words // layer["out_stride"])
            layer["split"] = 0 if n % 7 == 6 else split
            await layer_run(ctx, dut, config, dice, layer, width, height, blocks, slack=dice.choice((0, 0, 2)))
    run(dut, testbench, cycles=60_000)


@pytest.mark.parametrize("name", ["1 at once", "2 at once", "6 at once", "8 at once"])
@pytest.mark.parametrize("flags", [Flag.POOL, Flag.POOL | Flag.DISCARD, Flag.POOL | Flag.POLYPHASE, Flag.DISCARD])
def test_pooling(name, flags):
    """The pooled word of each block appears beside, or instead of, the pixels; pixels past the image do not count."""
    config, dice = CONFIGS[name], random.Random(f"{name} {flags}")
    dut = WriteBack(config)

    async def testbench(ctx):
        for width, height in ((1, 1), (3, 2), (5, 3), (4, 4)):
            layer = layer_of(config, dice, flags, width, height)
            blocks = min(3, (config.ab_words - 40) // layer["out_stride"])
            await layer_run(ctx, dut, config, dice, layer, width, height, blocks)
    run(dut, testbench)


def test_pooling_saturates_and_wraps_like_the_specification():
    config, dice = CONFIGS["2 at once"], random.Random(0)
    dut = WriteBack(config)

    async def testbench(ctx):
        for change in ({"pool_mult": 65535, "pool_shift": 0}, {"pool_offset": 2**31 - 1}, {"pool_offset": -2**31},
                       {"pool_shift": 63}, {"pool_mult": 0, "pool_zp": 127}, {"pool_mult": 1, "pool_shift": 1}):
            layer = {**layer_of(config, dice, Flag.POOL | Flag.DISCARD, 3, 3), **change}
            await layer_run(ctx, dut, config, dice, layer, 3, 3, 2)
    run(dut, testbench)
