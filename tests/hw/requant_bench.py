"""Drives the requantiser as the sequencer does, at the tightest spacing, and holds it to nigiri.spec.arith."""
from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from amaranth.hdl import Cat
from hw_helpers import layer_bits, mask, run, signed, words_of

from nigiri.spec.arith import add_residual, clamp, requantise, scale_factor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri_hw.core import array
from nigiri_hw.core.requant import LATENCY, Requantiser

__all__ = ["Block", "random_acc", "random_blocks", "random_layer", "random_params", "run_layer"]


@dataclass
class Block:
    """An output block: (bias, multiplier, shift) of 8 channels, gate codes of 8 channels, and its tiles.

    A tile is a list of P / 2**split pixels of 8 accumulators.
    """

    params: list[tuple[int, int, int]]
    tiles: list[list[list[int]]]
    gate: list[int] = field(default_factory=lambda: [0] * 8)


def random_layer(dice: random.Random, flags: int, split: int = 0) -> dict:
    low, high = sorted(dice.randint(-128, 127) for _ in range(2))
    if dice.random() < 0.5:
        low, high = -128, 127
    return {"flags": flags, "split": split, "zp_out": dice.randint(-128, 127), "act_min": low, "act_max": high,
            "res_mult_y": dice.getrandbits(16), "res_mult_r": dice.getrandbits(16), "res_shift": dice.randint(8, 24),
            "zp_y": dice.randint(-128, 127), "zp_res": dice.randint(-128, 127), "zp_sum": dice.randint(-128, 127)}


def random_params(dice: random.Random) -> list[tuple[int, int, int]]:
    """(bias, multiplier, shift) of eight channels; shifts that keep some of the value, and some that do not."""
    return [(signed(dice.getrandbits(dice.choice((12, 32))), 32), dice.choice((0, 65535, dice.getrandbits(16))),
             dice.choice((0, 1, 16, 24, 31, 40, 63, dice.randrange(64)))) for _ in range(8)]


def random_acc(dice: random.Random) -> int:
    near = signed(dice.getrandbits(20), 20)
    return dice.choice((2**31 - 1, -2**31, 0, -1, signed(dice.getrandbits(32), 32), near, near, near))


def random_blocks(dice: random.Random, config: AcceleratorConfig, blocks: int, tiles: int, split: int = 0):
    return [Block(random_params(dice), [[[random_acc(dice) for _ in range(8)] for _ in range(config.lanes >> split)]
                                        for _ in range(tiles)], [dice.randint(-128, 127) for _ in range(8)])
            for _ in range(blocks)]


def param_word(params: list[tuple[int, int, int]]) -> int:
    return sum((bias & mask(32) | mult << 32 | shift << 48) << 64 * n for n, (bias, mult, shift) in enumerate(params))


def bytes_word(values) -> int:
    return sum((v & 255) << 8 * n for n, v in enumerate(values))


def value_of(layer: dict, block: Block, channel: int, table: list[int], acc: int, residual: int) -> int:
    """What one accumulator becomes."""
    bias, mult, shift = block.params[channel]
    v = requantise(acc, bias, mult, shift, layer["zp_out"])
    if layer["flags"] & Flag.TABLE:
        v = table[v & 255]
    if layer["flags"] & (Flag.RESIDUAL | Flag.SCALE):
        mult_y = layer["res_mult_y"]
        if layer["flags"] & Flag.SCALE:
            mult_y = scale_factor(block.gate[channel], mult_y)
        mult_r = layer["res_mult_r"] if layer["flags"] & Flag.RESIDUAL else 0
        v = add_residual(v, residual, mult_y=mult_y, mult_r=mult_r, shift=layer["res_shift"],
                         zp_y=layer["zp_y"], zp_res=layer["zp_res"], zp_sum=layer["zp_sum"])
    return clamp(v, layer["act_min"], layer["act_max"])


async def load_table(ctx, dut, table) -> None:
    ctx.set(dut.table_en, 1)
    for line in range(32):
        ctx.set(dut.table_addr, line)
        ctx.set(dut.table_words, bytes_word(table[8 * line:8 * line + 8]))
        await ctx.tick()
    ctx.set(dut.table_en, 0)


class Schedule:
    """When everything of a layer reaches the requantiser, where every tile takes one step and waits for nothing
    but the drains of the tile before; and when which pixels must leave."""

    def __init__(self, config: AcceleratorConfig, layer: dict, blocks: list[Block], table: list[int], interval: int,
                 slack: int, dice: random.Random):
        self.params: dict[int, tuple[int, int]] = {}                # cycle -> (group, word)
        self.scales: dict[int, int] = {}
        self.residuals: dict[int, tuple[int, bool, list[int]]] = {}     # cycle -> (group, last of the set, words)
        self.captures: dict[int, tuple[bool, list[int]]] = {}       # cycle -> (new set, sums of all lanes)
        self.pixels: dict[int, list[int] | None] = defaultdict(list)    # cycle -> words; None: of an absent block
        split, p = layer["split"], config.lanes
        lanes = p >> split
        size = min(config.requant_pixels, lanes)
        drains, step, cycle = p // size, -99, 8
        for ob in range(0, len(blocks), 1 << split):
            members = blocks[ob:ob + (1 << split)]
            for k, block in enumerate(members):
                self.params[cycle] = k, param_word(block.params)
                cycle += 1
            if layer["flags"] & Flag.SCALE:
                self.scales[cycle] = bytes_word(members[0].gate)
                cycle += 1
            for t in range(len(members[0].tiles)):
                step = cycle = max(cycle, step + drains * interval) + dice.randint(0, slack)
                cycle += 1
                residual = [[[dice.randint(-128, 127) for _ in range(8)] for _ in range(lanes)] for _ in members]
                if layer["flags"] & Flag.RESIDUAL:
                    for k, pixels in enumerate(residual):
                        # The window brings more pixels than the block's lanes want.
                        words = [bytes_word(x) for x in pixels] + [dice.getrandbits(64) for _ in range(p - lanes)]
                        self.residuals[cycle] = k, k == len(members) - 1, words
                        cycle += 1
                sums = [dice.getrandbits(32) for _ in range(8 * p)]
                for k, block in enumerate(members):
                    sums[8 * lanes * k:8 * lanes * (k + 1)] = [v & mask(32) for pixel in block.tiles[t] for v in pixel]
                capture = step + array.LATENCY
                self.captures[capture] = t == 0, sums
                for n in range(drains):
                    k, first = (n, 0) if split else (0, n * size)
                    out = None
                    if k < len(members):
                        out = [bytes_word(value_of(layer, members[k], c, table, members[k].tiles[t][x][c],
                                                   residual[k][x][c]) for c in range(8))
                               for x in range(first, first + size)]
                    self.pixels[capture + 1 + n * interval + LATENCY] = out
        self.end = max(self.pixels) + 3


def run_layer(config: AcceleratorConfig, layer: dict, blocks: list[Block], table: list[int], *, interval: int = 1,
              slack: int = 0, seed: int = 0) -> None:
    """Blocks of tiles, as close as the sequencer ever puts them plus up to `slack` cycles: values and timing."""
    dice, dut = random.Random(seed), Requantiser(config)
    layer = {"split": 0, **layer}
    plan = Schedule(config, layer, blocks, table, interval, slack, dice)
    p, g = config.lanes, config.requant_pixels

    async def testbench(ctx):
        ctx.set(dut.layer.as_value(), layer_bits(**layer))
        ctx.set(dut.interval, interval)
        if layer["flags"] & Flag.TABLE:
            await load_table(ctx, dut, table)
        for cycle in range(plan.end):
            ctx.set(dut.params_en, int(cycle in plan.params))
            ctx.set(dut.scale_en, int(cycle in plan.scales))
            ctx.set(dut.residual_en, int(cycle in plan.residuals))
            ctx.set(dut.capture, int(cycle in plan.captures))
            group, last, words = plan.residuals.get(cycle, (0, 0, [dice.getrandbits(64)] * p))
            group, word = plan.params.get(cycle, (group, dice.getrandbits(512)))
            ctx.set(dut.group, group)
            ctx.set(dut.group_last, int(last))
            ctx.set(Cat(*dut.params), word)
            ctx.set(Cat(*dut.residual), sum(w << 64 * n for n, w in enumerate(words)))
            ctx.set(dut.scale, plan.scales.get(cycle, dice.getrandbits(64)))
            new_block, sums = plan.captures.get(cycle, (dice.random() < 0.5, [dice.getrandbits(32)] * (8 * p)))
            ctx.set(dut.new_block, int(new_block))
            ctx.set(dut.new_image, int(new_block))
            ctx.set(Cat(*(a for row in dut.acc for a in row)), sum(v << 32 * n for n, v in enumerate(sums)))
            assert ctx.get(dut.valid) == (cycle in plan.pixels), f"cycle {cycle}"
            want = plan.pixels.pop(cycle, None)
            if want is not None:
                assert words_of(ctx.get(Cat(*dut.pixels)), g)[:len(want)] == want, f"cycle {cycle}"
            await ctx.tick()
        assert not plan.pixels
    run(dut, testbench)
