"""The requantiser against nigiri.spec.arith: rounding at every shift, tables, residuals, clamps, queues, spacing."""
from __future__ import annotations

import random
from collections import deque

import pytest
from amaranth.hdl import Cat
from hw_helpers import layer_bits, mask, run, signed, small, words_of

from nigiri.spec.arith import add_residual, clamp, requantise
from nigiri.spec.descriptor import Flag
from nigiri_hw.core.requant import LATENCY, Requantiser

SMALL = small(lanes=2, requant_pixels=1)
CONFIGS = {"2 by 1": SMALL, "4 by 2": small(), "2 by 2": small(lanes=2, requant_pixels=2)}
PLAIN = {"zp_out": 0, "act_min": -128, "act_max": 127}


def random_layer(dice: random.Random, flags: int) -> dict:
    low, high = sorted(dice.randint(-128, 127) for _ in range(2))
    if dice.random() < 0.5:
        low, high = -128, 127
    return {"flags": flags, "zp_out": dice.randint(-128, 127), "act_min": low, "act_max": high,
            "res_mult_y": dice.getrandbits(16), "res_mult_r": dice.getrandbits(16), "res_shift": dice.randint(8, 24),
            "zp_y": dice.randint(-128, 127), "zp_res": dice.randint(-128, 127), "zp_sum": dice.randint(-128, 127)}


def random_params(dice: random.Random) -> list[tuple[int, int, int]]:
    """(bias, multiplier, shift) of eight channels; shifts that keep some of the value, and some that do not."""
    return [(signed(dice.getrandbits(dice.choice((12, 32))), 32), dice.choice((0, 65535, dice.getrandbits(16))),
             dice.choice((0, 1, 16, 24, 31, 40, 63, dice.randrange(64)))) for _ in range(8)]


def random_acc(dice: random.Random) -> int:
    near = signed(dice.getrandbits(20), 20)
    return dice.choice((2**31 - 1, -2**31, 0, -1, signed(dice.getrandbits(32), 32), near, near, near))


def param_word(channel: tuple[int, int, int]) -> int:
    bias, mult, shift = channel
    return bias & mask(32) | mult << 32 | shift << 48


def value_of(layer: dict, channel, table, acc: int, residual: int) -> int:
    """What one accumulator becomes."""
    bias, mult, shift = channel
    v = requantise(acc, bias, mult, shift, layer["zp_out"])
    if layer["flags"] & Flag.TABLE:
        v = table[v & 255]
    if layer["flags"] & Flag.RESIDUAL:
        v = add_residual(v, residual, mult_y=layer["res_mult_y"], mult_r=layer["res_mult_r"], shift=layer["res_shift"],
                         zp_y=layer["zp_y"], zp_res=layer["zp_res"], zp_sum=layer["zp_sum"])
    return clamp(v, layer["act_min"], layer["act_max"])


def bytes_word(values) -> int:
    return sum((v & 255) << 8 * n for n, v in enumerate(values))


async def load_table(ctx, dut, table) -> None:
    ctx.set(dut.table_en, 1)
    for line in range(32):
        ctx.set(dut.table_addr, line)
        ctx.set(dut.table_words, bytes_word(table[8 * line:8 * line + 8]))
        await ctx.tick()
    ctx.set(dut.table_en, 0)


def run_layer(config, layer: dict, blocks: list, table: list[int], *, interval: int = 1, slack: int = 0, seed: int = 0):
    """Blocks of tiles, tiles as close as the sequencer ever puts them plus up to `slack` cycles.

    blocks: [(params, [tile])]; a tile is a list of P pixels of 8 accumulators.  Checks values and exact timing.
    """
    dice, dut = random.Random(seed), Requantiser(config)
    p, g = config.lanes, config.requant_pixels
    tiles = [(n == 0, params, tile) for params, block in blocks for n, tile in enumerate(block)]
    residuals = [[[dice.randint(-128, 127) for _ in range(8)] for _ in range(p)] for _ in tiles]
    captures = []
    for _ in tiles:
        captures.append((captures[-1] + p // g * interval if captures else 8) + dice.randint(0, slack))
    # A parameter word comes well before its tile, a residual ten cycles behind the step that its tile ends with.
    arriving = deque(params for first, params, _ in tiles if first)
    residual_at = {c - 4: r for c, r in zip(captures, residuals, strict=True)}
    expected = {}
    for capture, (_, params, tile), residual in zip(captures, tiles, residuals, strict=True):
        for n in range(p // g):
            pixels = [[value_of(layer, params[c], table, tile[x][c], residual[x][c]) for c in range(8)]
                      for x in range(n * g, n * g + g)]
            expected[capture + 1 + n * interval + LATENCY] = [bytes_word(pixel) for pixel in pixels]

    async def testbench(ctx):
        ctx.set(dut.layer.as_value(), layer_bits(**layer))
        ctx.set(dut.interval, interval)
        if layer["flags"] & Flag.TABLE:
            await load_table(ctx, dut, table)
        taken, queued, at = 0, 0, dict(zip(captures, range(len(tiles)), strict=True))
        for cycle in range(captures[-1] + p // g * interval + LATENCY + 3):
            more = bool(arriving) and queued - taken < 8
            ctx.set(dut.params_en, int(more))
            if more:
                queued += 1
                ctx.set(Cat(*dut.params), sum(param_word(c) << 64 * n for n, c in enumerate(arriving.popleft())))
            ctx.set(dut.residual_en, int(bool(layer["flags"] & Flag.RESIDUAL) and cycle in residual_at))
            if cycle in residual_at:
                ctx.set(Cat(*dut.residual), sum(bytes_word(x) << 64 * n for n, x in enumerate(residual_at[cycle])))
            ctx.set(dut.capture, int(cycle in at))
            ctx.set(dut.new_block, 0)
            if cycle in at:
                first, _, tile = tiles[at[cycle]]
                taken += first
                ctx.set(dut.new_block, int(first))
                ctx.set(Cat(*(a for row in dut.acc for a in row)),
                        sum((v & mask(32)) << 32 * n for n, v in enumerate(v for row in tile for v in row)))
            else:
                ctx.set(Cat(*(a for row in dut.acc for a in row)), dice.getrandbits(256 * p))
            assert ctx.get(dut.valid) == (cycle in expected), f"cycle {cycle}"
            if cycle in expected:
                assert words_of(ctx.get(Cat(*dut.pixels)), g) == expected.pop(cycle), f"cycle {cycle}"
            await ctx.tick()
        assert not expected
    run(dut, testbench)


def random_blocks(dice: random.Random, config, blocks: int, tiles: int):
    return [(random_params(dice), [[[random_acc(dice) for _ in range(8)] for _ in range(config.lanes)]
                                   for _ in range(tiles)]) for _ in range(blocks)]


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("flags", [0, Flag.TABLE, Flag.RESIDUAL, Flag.TABLE | Flag.RESIDUAL])
def test_tiles_at_the_tightest_spacing(flags, interval):
    dice = random.Random(10 * flags + interval)
    table = [dice.randint(-128, 127) for _ in range(256)]
    run_layer(SMALL, random_layer(dice, flags), random_blocks(dice, SMALL, 9, 2), table, interval=interval, seed=flags)


@pytest.mark.parametrize("name", ["4 by 2", "2 by 2"])
@pytest.mark.parametrize("slack", [0, 3])
def test_more_pixels_at_once(name, slack):
    config, dice = CONFIGS[name], random.Random(f"{name} {slack}")
    table = [dice.randint(-128, 127) for _ in range(256)]
    layer = random_layer(dice, Flag.TABLE | Flag.RESIDUAL)
    run_layer(config, layer, random_blocks(dice, config, 2, 4), table, slack=slack)


def test_every_shift_rounds_half_up():
    """Sums just below, at and just above half, positive and negative, at each shift from 0 to 63."""
    config, dice, blocks = SMALL, random.Random(0), []
    for shift in range(0, 64, 4):
        shifts = [shift, shift + 1, shift + 2, shift + 3]
        params = [(0, 65535 if s > 30 else 1, s) for s in shifts + shifts]
        tile = []
        for _ in range(config.lanes):
            units = [(1 << s) // (65535 if s > 30 else 1) for s in shifts + shifts]
            sums = [dice.randint(-3, 3) * n + n // 2 + dice.randint(-1, 1) for n in units]
            tile.append([clamp(v, -2**31, 2**31 - 1) for v in sums])
        blocks.append((params, [tile, [[~v for v in row] for row in tile]]))
    run_layer(config, {**PLAIN, "flags": 0}, blocks, [])


def test_every_residual_shift():
    dice = random.Random(0)
    for shift in (0, 1, 26, 63):
        layer = {**random_layer(dice, Flag.RESIDUAL), **PLAIN, "res_shift": shift}
        run_layer(SMALL, layer, random_blocks(dice, SMALL, 2, 2), [], seed=shift)


def test_the_sum_with_the_bias_wraps():
    params = [(2**31 - 1, 1, 24)] * 4 + [(-2**31, 1, 24)] * 4
    tiles = [[[1] * 4 + [-1] * 4, [2**31 - 1] * 4 + [-2**31] * 4]]
    run_layer(SMALL, {**PLAIN, "flags": 0, "zp_out": 3}, [(params, tiles)], [])
