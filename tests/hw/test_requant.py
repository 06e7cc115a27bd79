"""The requantiser against nigiri.spec.arith: rounding at every shift, tables, residuals, clamps, queues, spacing."""
from __future__ import annotations

import random

import pytest
from hw_helpers import small
from requant_bench import Block, random_blocks, random_layer, run_layer

from nigiri.spec.arith import clamp
from nigiri.spec.descriptor import Flag

SMALL = {part: small(lanes=2, requant_pixels=1, part=part) for part in ("", "xc7z020clg400-1")}
"""Multipliers in DSP slices, and in look-up tables."""
CONFIGS = {"4 by 2": small(), "2 by 2": small(lanes=2, requant_pixels=2)}
PLAIN = {"zp_out": 0, "act_min": -128, "act_max": 127}


@pytest.fixture(params=SMALL.values(), ids=["dsp", "soft"])
def config(request):
    return request.param


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("flags", [0, Flag.TABLE, Flag.RESIDUAL, Flag.TABLE | Flag.RESIDUAL])
def test_tiles_at_the_tightest_spacing(config, flags, interval):
    dice = random.Random(10 * flags + interval)
    table = [dice.randint(-128, 127) for _ in range(256)]
    layer, blocks = random_layer(dice, flags), random_blocks(dice, config, 9, 2)
    run_layer(config, layer, blocks, table, interval=interval, seed=flags)


@pytest.mark.parametrize("name", ["4 by 2", "2 by 2"])
@pytest.mark.parametrize("slack", [0, 3])
def test_more_pixels_at_once(name, slack):
    config, dice = CONFIGS[name], random.Random(f"{name} {slack}")
    table = [dice.randint(-128, 127) for _ in range(256)]
    layer = random_layer(dice, Flag.TABLE | Flag.RESIDUAL)
    run_layer(config, layer, random_blocks(dice, config, 2, 4), table, slack=slack)


def test_every_shift_rounds_half_up(config):
    """Sums just below, at and just above half, positive and negative, at each shift from 0 to 63."""
    dice, blocks = random.Random(0), []
    for shift in range(0, 64, 4):
        shifts = [shift, shift + 1, shift + 2, shift + 3]
        params = [(0, 65535 if s > 30 else 1, s) for s in shifts + shifts]
        tile = []
        for _ in range(config.lanes):
            units = [(1 << s) // (65535 if s > 30 else 1) for s in shifts + shifts]
            sums = [dice.randint(-3, 3) * n + n // 2 + dice.randint(-1, 1) for n in units]
            tile.append([clamp(v, -2**31, 2**31 - 1) for v in sums])
        blocks.append(Block(params, [tile, [[~v for v in row] for row in tile]]))
    run_layer(config, {**PLAIN, "flags": 0}, blocks, [])


def test_every_residual_shift(config):
    dice = random.Random(0)
    for shift in (0, 1, 26, 63):
        layer = {**random_layer(dice, Flag.RESIDUAL), **PLAIN, "res_shift": shift}
        run_layer(config, layer, random_blocks(dice, config, 2, 2), [], seed=shift)


def test_the_sum_with_the_bias_wraps(config):
    params = [(2**31 - 1, 1, 24)] * 4 + [(-2**31, 1, 24)] * 4
    tiles = [[[1] * 4 + [-1] * 4, [2**31 - 1] * 4 + [-2**31] * 4]]
    run_layer(config, {**PLAIN, "flags": 0, "zp_out": 3}, [Block(params, tiles)], [])
