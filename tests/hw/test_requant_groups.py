"""The requantiser where lanes work on several output blocks, and channel scales: each block its own parameters."""
from __future__ import annotations

import random

import pytest
from hw_helpers import small
from requant_bench import Block, random_blocks, random_layer, run_layer

from nigiri.spec.config import CONFIGS
from nigiri.spec.descriptor import Flag

GROUPS = CONFIGS["small"]
UNEVEN = small(lanes=12, requant_pixels=6, groups=2, ab_words=512)
PARAMS = [(0, 1, 0)] * 8
"""Sums pass as they are."""


@pytest.mark.parametrize("split", [0, 1, 2])
@pytest.mark.parametrize("flags", [0, Flag.RESIDUAL, Flag.TABLE | Flag.RESIDUAL], ids=["plain", "residual", "all"])
def test_blocks_side_by_side(split, flags):
    """Sets of 2**split blocks, the last one partial; the residual's last block comes a cycle before its tile."""
    dice, interval = random.Random(f"{split} {flags}"), 3 if flags & Flag.TABLE else 1
    table = [dice.randint(-128, 127) for _ in range(256)]
    blocks = random_blocks(dice, GROUPS, 2 * (1 << split) + (3 if split == 2 else 1), 3, split)
    run_layer(GROUPS, random_layer(dice, flags, split), blocks, table, interval=interval, seed=split)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
def test_partial_sets_of_one_tile(blocks):
    """Set after set in as many cycles as its slots need: parameter queues stay in step, whichever blocks are absent."""
    dice = random.Random(blocks)
    for split in (1, 2):
        layer = random_layer(dice, Flag.RESIDUAL, split)
        run_layer(GROUPS, layer, random_blocks(dice, GROUPS, blocks + (2 << split), 1, split), [], slack=blocks % 2)


def test_a_number_of_lanes_that_is_no_power_of_two():
    dice = random.Random(0)
    for split in (0, 1):
        run_layer(UNEVEN, random_layer(dice, Flag.RESIDUAL, split), random_blocks(dice, UNEVEN, 3, 2, split), [])


@pytest.mark.parametrize("flags", [Flag.SCALE, Flag.SCALE | Flag.RESIDUAL, Flag.SCALE | Flag.TABLE],
                         ids=["scale", "residual", "table"])
@pytest.mark.parametrize("config", [small(), small(lanes=2, requant_pixels=2), small(lanes=4, requant_pixels=1)],
                         ids=["4 by 2", "2 by 2", "4 by 1"])
@pytest.mark.parametrize("tiles", [1, 2])
def test_scales_change_with_the_block(config, flags, tiles):
    """Blocks as close as slots and drains allow: the last pixels of one keep its factors while the next one starts."""
    dice = random.Random(f"{config.lanes} {flags} {tiles}")
    table = [dice.randint(-128, 127) for _ in range(256)]
    run_layer(config, random_layer(dice, flags), random_blocks(dice, config, 9, tiles), table)


def test_scales_with_pauses():
    dice = random.Random(1)
    for interval in (1, 4):
        run_layer(GROUPS, random_layer(dice, Flag.SCALE), random_blocks(dice, GROUPS, 6, 2), [], interval=interval,
                  slack=5, seed=interval)


@pytest.mark.parametrize("part", ["", "xc7z020clg400-1"], ids=["dsp", "soft"])
@pytest.mark.parametrize("mult", [0, 1, 255, 256, 32767, 65535])
def test_every_gate_code(mult, part):
    """Factors round half up, from code -128, which closes the gate, to 127; the largest factor has 16 bits."""
    config = small(lanes=2, requant_pixels=1, part=part)
    layer = {"flags": Flag.SCALE, "zp_out": 0, "act_min": -128, "act_max": 127, "res_mult_y": mult,
             "zp_y": -1, "res_shift": max(0, mult.bit_length() - 1), "res_mult_r": 65535, "zp_res": 99, "zp_sum": 3}
    blocks = [Block(PARAMS, [[[127] * 8, [-128] * 8]], list(range(code, code + 8))) for code in range(-128, 128, 8)]
    run_layer(config, layer, blocks, [])
