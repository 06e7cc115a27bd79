"""The sequencer alone: every slot of random layers in the order of the loop nest, whatever words are there, without a
bubble when all are."""
from __future__ import annotations

import random

import pytest
from hw_helpers import layer_bits, put, run, small

from nigiri.spec import descriptor
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_hw.core.sequencer import Sequencer, Slot

CONFIGS = {"one group": small(db_words=128, ab_words=1024),
           "four groups": small(db_words=512, ab_words=1024, lanes=8, requant_pixels=4, groups=4)}


def drawn(dice, config, dense=False):
    """A layer that the configuration can run, small."""
    kind = 0 if dense else dice.choice((0, 0, Flag.DEPTHWISE, Flag.MAXIMUM))
    kernel = dice.choice((3, 5)) if kind else dice.choice((1, 1, 3))
    flags = kind | Flag.STRIDE2 * (dice.random() < 0.3 and kernel > 1) | Flag.TABLE * (dice.random() < 0.3)
    flags |= Flag.RESIDUAL * (dice.random() < 0.3)
    split = dice.randrange(config.groups.bit_length()) if not kind and dice.random() < 0.6 else 0
    if not split:
        flags |= Flag.POOL * (dice.random() < 0.3) | Flag.SCALE * (dice.random() < 0.3)
    side = dice.randint(1, 6)
    d = {"opcode": Opcode.CONV, "flags": flags, "kernel": kernel, "split": split, "in_w": side, "in_h": side,
         "out_blocks": dice.randint(1, 5), "in_blocks": 1 if kind else dice.randint(1, 3),
         "in_base": dice.randrange(200), "in_stride": dice.randrange(60), "res_base": dice.randrange(200),
         "res_stride": dice.randrange(60), "scale_base": dice.randrange(200), "extra_images": dice.randrange(3),
         "in_image": dice.randrange(90), "res_image": dice.randrange(90), "scale_image": dice.randrange(9)}
    return d | {"out_h": descriptor.out_rows(side, 2 if flags & Flag.STRIDE2 else 1)}


def slots(d, config, at):
    """(slot, its fields) of a layer, straight from the loop nest; `at`: words taken from each ring before it, moved on.

    Positions are (ring, number of the word since the beginning).
    """
    flags, groups, rings = d["flags"], 1 << d["split"], config.groups
    out = []
    own = flags & (Flag.DEPTHWISE | Flag.MAXIMUM)
    parities = 2 if flags & Flag.DEPTHWISE and flags & Flag.STRIDE2 else 1
    taps, tile = descriptor.taps(d), config.lanes >> d["split"]
    pixels = d["out_h"] * (-(-d["in_w"] // 2) if flags & Flag.STRIDE2 else d["in_w"])
    if flags & Flag.TABLE:
        out += [("TABLE", {"table": n, "words": {0: at[0] + n}}) for n in range(4)]
        at[0] += 4
    for first in range(0, d["out_blocks"], groups):
        count = min(groups, d["out_blocks"] - first)
        here = {(first + g) % rings: at[(first + g) % rings] for g in range(count)}
        out += [("PARAMS", {"group": g, "words": {(first + g) % rings: here[(first + g) % rings]}})
                for g in range(count)]
        for image in range(1 + d["extra_images"]):
            if flags & Flag.SCALE:
                out.append(("SCALE", {"base": d["scale_base"] + first + image * d["scale_image"]}))
            block = d["in_base"] + (first * d["in_stride"] if own else 0) + image * d["in_image"]
            residual = d["res_base"] + first * d["res_stride"] + image * d["res_image"]
            for p in range(0, pixels, tile):
                last = d["in_blocks"] * taps * parities - 1
                step = 0
                for ib in range(d["in_blocks"]):
                    for tap in range(taps):
                        for parity in range(parities):
                            out.append(("STEP", {
                                "tap": tap, "parity": parity, "base": block + p + ib * d["in_stride"],
                                "first": step == 0, "last": step == last, "block_end": p + tile >= pixels,
                                "words": {r: n + 1 + ib * taps + tap for r, n in here.items()}}))
                            step += 1
                if flags & Flag.RESIDUAL:
                    out += [("RESIDUAL", {"group": g, "base": residual + p + g * d["res_stride"]})
                            for g in range(count)]
        for r in here:
            at[r] += 1 + d["in_blocks"] * taps
    return out


class Bench:
    """Rings that fill as they please, a requantiser that answers a while after every tile."""

    def __init__(self, dut, config, stalls, seed):
        self.dut, self.config, self.stalls = dut, config, stalls
        self.dice = random.Random(seed)
        self.tails, self.ready = [0] * config.groups, [0] * config.groups
        self.due: list[tuple[int, str]] = []
        self.seen: list[tuple[str, dict[str, int], int]] = []
        self.cycle = 0

    def drive(self, ctx, coming):
        """Inputs of this cycle."""
        dut, ring = self.dut, self.config.ring_words
        for r in range(self.config.groups):
            room = min(coming[r] - self.tails[r] - self.ready[r], ring - self.ready[r])
            if room > 0 and self.dice.random() >= self.stalls:
                self.ready[r] += room if not self.stalls else self.dice.randint(1, room)
        put(ctx, dut.ready, self.ready)
        put(ctx, dut.tail, [t % ring for t in self.tails])
        for name in ("tile_done", "pool_done"):
            now = [x for x in self.due if x[0] <= self.cycle and x[1] == name][:1]
            ctx.set(getattr(dut, name), bool(now))
            for x in now:
                self.due.remove(x)

    def look(self, ctx, layer):
        """Outputs of this cycle."""
        dut = self.dut
        kind = Slot(ctx.get(dut.slot))
        if kind is not Slot.NONE:
            fields = {n: ctx.get(getattr(dut, f"slot_{n}")) for n in (
                "tap", "parity", "base", "first", "last", "block_end", "group", "table")}
            fields["words"] = [ctx.get(w) for w in dut.slot_word]
            self.seen.append((kind.name, fields, self.cycle))
            if kind is Slot.STEP and fields["last"]:
                self.due.append((self.cycle + 3 + self.dice.randrange(4), "tile_done"))
                if layer["flags"] & Flag.POOL and fields["block_end"]:
                    self.due.append((self.cycle + 9, "pool_done"))
        if ctx.get(dut.release_en):
            count = ctx.get(dut.release_count)
            for r in range(self.config.groups):
                if ctx.get(dut.release_en) >> r & 1:
                    self.tails[r] += count
                    self.ready[r] -= count
                    assert self.ready[r] >= 0, "a word is given back that was not there"

    async def layer(self, ctx, d, at):
        """The slots of one layer; `at` counts the words of each ring."""
        want = slots(d, self.config, at)
        self.seen.clear()
        ctx.set(self.dut.desc.as_value(), layer_bits(**d))
        ctx.set(self.dut.desc_valid, 1)
        for _ in range(40_000):
            self.drive(ctx, at)
            self.look(ctx, d)
            done = ctx.get(self.dut.desc_pop)
            await ctx.tick()
            self.cycle += 1
            if done:
                ctx.set(self.dut.desc_valid, 0)
                return want
        raise AssertionError("the sequencer hangs")


def agree(seen, want, config):
    """The slots are those of the loop nest, with the fields that belong to each."""
    assert [k for k, _, _ in seen] == [k for k, _ in want]
    for (kind, got, _), (_, fields) in zip(seen, want, strict=True):
        for name, value in fields.items():
            if name == "words":
                assert all(got["words"][r] == n % config.ring_words for r, n in value.items()), (kind, got, fields)
            elif name == "base":
                assert got["base"] == value % 1024, (kind, got, fields)
            else:
                assert got[name] == value, (kind, name, got, fields)


async def begin(ctx, dut, length):
    put(ctx, (dut.start, dut.length, dut.window_size), (1, length, 4000))
    await ctx.tick()
    ctx.set(dut.start, 0)


@pytest.mark.parametrize("stalls", [0.0, 0.6])
@pytest.mark.parametrize("name", CONFIGS)
def test_slots_in_the_order_of_the_loop_nest(name, stalls):
    config = CONFIGS[name]
    dut, dice = Sequencer(config), random.Random(7)
    bench = Bench(dut, config, stalls, 3)

    async def body(ctx):
        await begin(ctx, dut, 20)
        at = [0] * config.groups
        for number in range(20):
            d = drawn(dice, config)
            assert ctx.get(dut.index) == number
            want = await bench.layer(ctx, d, at)
            agree(bench.seen, want, config)
            assert bench.tails == at, "words are left in a ring, or too many are gone"
        for _ in range(3):
            done = ctx.get(dut.done)
            await ctx.tick()
            if done:
                return
        raise AssertionError("the program does not end")
    run(dut, body, cycles=400_000)


def test_no_bubbles():
    """A dense layer whose reduction is longer than a tile takes to drain: a step in every cycle of an image."""
    config = CONFIGS["one group"]
    dut = Sequencer(config)
    bench = Bench(dut, config, 0.0, 1)
    d = {"opcode": Opcode.CONV, "kernel": 3, "in_w": 6, "in_h": 6, "out_h": 6, "out_blocks": 2, "in_blocks": 3,
         "in_stride": 36, "flags": 0, "split": 0, "in_base": 0, "res_base": 0, "res_stride": 0, "scale_base": 0,
         "extra_images": 0, "in_image": 0, "res_image": 0, "scale_image": 0}

    async def body(ctx):
        await begin(ctx, dut, 1)
        at = [0]
        await bench.layer(ctx, d, at)
        steps = [c for k, _, c in bench.seen if k == "STEP"]
        assert len(steps) == 2 * 9 * 27
        # Between the two output blocks comes one slot with parameters.
        assert steps[-1] - steps[0] == len(steps) - 1 + 1
    run(dut, body)


def test_store_words_only_when_there_is_room():
    dut, dice = Sequencer(CONFIGS["one group"]), random.Random(2)

    async def body(ctx):
        await begin(ctx, dut, 1)
        ctx.set(dut.desc.as_value(), layer_bits(opcode=Opcode.STORE, in_base=40, length=80, mem_offset=7, in_w=1,
                                                in_h=1))
        put(ctx, (dut.desc_valid, dut.store_busy), (1, 1))
        bases, left = [], 30
        for _ in range(200):
            room = dice.random() < 0.5
            ctx.set(dut.store_room, room)
            if Slot(ctx.get(dut.slot)) is Slot.STORE:
                bases.append(ctx.get(dut.slot_base))
            assert not ctx.get(dut.desc_pop) or left <= 0
            left -= len(bases) == 10
            ctx.set(dut.store_busy, left > 0)
            await ctx.tick()
            if left < -3:
                break
        assert bases == list(range(40, 120, 8))
    run(dut, body)
