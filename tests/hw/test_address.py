"""The address unit against image coordinates: bands, strides, every tap, lane groups, tiles over ends of rows."""
from __future__ import annotations

import random

import pytest
from hw_helpers import layer_bits, run, small, take

from nigiri.spec.config import CONFIGS, AcceleratorConfig
from nigiri.spec.descriptor import Flag, taps
from nigiri.spec.layout import DENSE_TAPS, ROWS, SLOT_BASE
from nigiri_hw.core.address import LATENCY, AddressUnit

CHECKED = {"2 lanes": small(lanes=2, requant_pixels=1), "small": CONFIGS["small"],
           "12 lanes": small(lanes=12, requant_pixels=6, groups=2, ab_words=512)}
KINDS = {"dense": 0, "stride 2": Flag.STRIDE2, "depthwise": Flag.DEPTHWISE,
         "depthwise stride 2": Flag.DEPTHWISE | Flag.STRIDE2}


class Reference:
    """Where a tap lies in the image, from the definition of the layout."""

    def __init__(self, config: AcceleratorConfig, d: dict):
        self.config, self.d = config, d
        self.stride = 2 if d["flags"] & Flag.STRIDE2 else 1
        self.depthwise = bool(d["flags"] & Flag.DEPTHWISE)
        self.out_w = -(-d["in_w"] // self.stride)

    def step(self, tile: int, base: int, tap: int, parity: int) -> tuple[int, list[int | None], list[int | None]]:
        """Address, and for every lane whether its pixel and which of its columns lie in the image (None: no pixel).

        `base` is the word under the tile's first pixel, which is output pixel `tile`.
        """
        d, s = self.d, self.stride
        if self.depthwise:
            dy, dx = ROWS[tap], s * SLOT_BASE[s, parity] + parity
        else:
            dy, dx = DENSE_TAPS[tap]
        # The tap at output pixel (y, x) is image row s * y + dy: row (y + dy // s) of the planes of its parity.
        shift = dy // s * self.out_w + dx // s + (2 * (dy % s) + dx % s) * d["in_phase"]
        dense: list[int | None] = []
        columns: list[int | None] = []
        lanes = self.config.lanes >> d["split"]
        for n in range(self.config.lanes):
            y, x = divmod(tile + n % lanes, self.out_w)
            if y >= d["out_h"]:
                dense.append(None)
                columns.append(None)
                continue
            row = 0 <= s * (d["y_first"] + y) + dy < d["in_h"]
            inside = [row and 0 <= s * x + dx + s * k < d["in_w"] for k in range(7)]
            dense.append(int(inside[0]))
            columns.append(sum(ok << k for k, ok in enumerate(inside)))
        return (base + shift) % self.config.ab_words, dense, columns


def shapes(dice: random.Random, stride: int, lanes: int):
    """(in_w, in_h, y_first, out_h): whole maps, and bands at the top, in the middle and at the bottom of one."""
    for width in (1, 2, 5, lanes - 1, lanes, lanes + 1, 2 * lanes + 3):
        height = dice.choice((1, 2, 5, 8))
        rows = -(-height // stride)
        yield width, height, 0, rows
        first = dice.randrange(rows)
        yield width, height, first, dice.randint(1, rows - first)
    yield 3, 1023, dice.choice((509, 511)) if stride == 2 else 1020, 1


async def layer_run(ctx, dut, config: AcceleratorConfig, dice: random.Random, d: dict) -> None:
    """Two output blocks of a layer, with a few taps of every tile and slots of other kinds between."""
    ref = Reference(config, d)
    p = config.lanes >> d["split"]
    pixels = d["out_h"] * ref.out_w
    ctx.set(dut.layer.as_value(), layer_bits(**d))
    ctx.set(dut.out_w, ref.out_w)
    ctx.set(dut.setup, 1)
    await ctx.tick()
    ctx.set(dut.setup, 0)
    cycles = 1
    while ctx.get(dut.busy):
        cycles += 1
        await ctx.tick()
    assert cycles == p + 2
    slots = []
    for _ in range(2):
        for tile in range(0, pixels, p):
            count = dice.randint(1, 4)
            for n in range(count):
                slots += [None] * (dice.random() < 0.2)
                parity = dice.randrange(ref.stride) if ref.depthwise else 0
                slots.append((tile, dice.randrange(taps(d)), parity, n == count - 1))
    expected = {}
    for cycle in range(len(slots) + LATENCY):
        slot = slots[cycle] if cycle < len(slots) else None
        base = dice.randrange(config.ab_words)
        tile, tap, parity, last = slot or (0, dice.randrange(49), dice.randrange(2), dice.randrange(2))
        ctx.set(dut.step, int(slot is not None))
        ctx.set(dut.base, base)
        ctx.set(dut.tap, tap)
        ctx.set(dut.parity, parity)
        ctx.set(dut.last, int(last))
        ctx.set(dut.block_end, int(tile + p >= pixels))
        expected[cycle + LATENCY] = ref.step(tile, base, tap, parity) if slot else (base, [], [])
        if cycle >= LATENCY:
            addr, dense, columns = expected.pop(cycle)
            where = f"cycle {cycle}: {d}"
            assert ctx.get(dut.addr) == addr, where
            valid = ctx.get(dut.dense_valid)
            if not ref.depthwise:
                assert all(ok is None or valid >> n & 1 == ok for n, ok in enumerate(dense)), where
            else:
                got = take(ctx, dut.dw_valid)
                assert all(want is None or got[n] == want for n, want in enumerate(columns)), where
        await ctx.tick()


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("kind", KINDS)
def test_layers(name, kind):
    """Layer after layer, whole maps and bands; dense ones with every split of the lanes."""
    config, dice, flags = CHECKED[name], random.Random(f"{name} {kind}"), KINDS[kind]
    dut = AddressUnit(config)
    splits = 1 if flags & Flag.DEPTHWISE else config.groups.bit_length()

    async def testbench(ctx):
        for split in range(splits):
            for in_w, in_h, y_first, out_h in shapes(dice, 2 if flags & Flag.STRIDE2 else 1, config.lanes):
                await layer_run(ctx, dut, config, dice, {
                    "flags": flags, "split": split, "kernel": dice.choice((1, 3, 5, 7)), "in_w": in_w, "in_h": in_h,
                    "y_first": y_first, "out_h": out_h, "in_phase": dice.randrange(config.ab_words)})
    run(dut, testbench)


def test_rows_above_a_band_are_read():
    """The first row of a band is not the first of the image: the row above it is inside."""
    config = CHECKED["2 lanes"]
    ref = Reference(config, {"flags": 0, "split": 0, "kernel": 3, "in_w": 4, "in_h": 6, "y_first": 3, "out_h": 2,
                             "in_phase": 0})
    above = DENSE_TAPS.index((-1, 0))
    assert ref.step(0, 100, above, 0)[:2] == (96, [1, 1])
    ref.d["y_first"] = 0
    assert ref.step(0, 100, above, 0)[:2] == (96, [0, 0])
