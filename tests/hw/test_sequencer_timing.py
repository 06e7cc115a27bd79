"""The sequencer alone, cycle by cycle: what each slot reads is in the rings, every slot comes in the first cycle in
which it may, copies begin and end when they should, and what is wrong stops it."""
from __future__ import annotations

import random
from collections import deque

import pytest
from hw_helpers import run, small
from slot_reference import layer_words, random_copy, random_layer, slots

from nigiri.spec import descriptor
from nigiri.spec.descriptor import Flag, Opcode
from nigiri.spec.errors import ErrorCode
from nigiri_hw.core.sequencer import Sequencer, Slot, Stall

WINDOW = 500
CONFIGS = {
    "one group": small(),
    "four groups": small(lanes=8, requant_pixels=4, groups=4, db_words=256),
    "two groups, rows of six": small(lanes=12, requant_pixels=6, groups=2, db_words=128, ab_words=768),
    "rows of three": small(lanes=6, requant_pixels=3, db_words=128, part="xc7z020clg400-1"),
}
FIRST_SLOT = 8
"""Cycles from the descriptor to a layer's first slot, when its coordinates are there at once."""

DONE = 24
"""Cycles from a tile's last step until it is reported as written, about as many as in the whole accelerator."""


def bits(d):
    return int.from_bytes(descriptor.encode(descriptor.FIELDS, descriptor.WORDS, d), "little")


class Ring:
    """Places of a ring and what is in them; words come in order and leave from the tail."""

    def __init__(self, size):
        self.places, self.tail, self.ready, self.free = [None] * size, 0, 0, size
        self.coming, self.freed = deque(), deque([0] * 6)

    def step(self, released, arrives):
        """One cycle: what was released is free again some cycles later; as many words arrive as may."""
        size = len(self.places)
        assert released <= self.ready
        self.tail, self.ready = (self.tail + released) % size, self.ready - released
        self.freed.append(released)
        self.free += self.freed.popleft()
        while arrives and self.coming and self.free:
            self.places[(self.tail + self.ready) % size] = self.coming.popleft()
            self.ready, self.free, arrives = self.ready + 1, self.free - 1, arrives - 1


class Bench:
    """Everything round the sequencer."""

    def __init__(self, config, stalls, seed):
        self.config, self.stalls, self.dice = config, stalls, random.Random(f"sequencer {seed}")
        self.dut = Sequencer(config)
        self.rings = [Ring(config.ring_words) for _ in range(config.groups)]
        self.now = 0

    def chance(self):
        """Whether something that may wait goes on in this cycle."""
        return self.dice.random() >= self.stalls

    async def tick(self, ctx):
        """To the next cycle; the rings see what the sequencer releases in this one."""
        dut = self.dut
        released = ctx.get(dut.release_count) if (which := ctx.get(dut.release_en)) else 0
        await ctx.tick()
        self.now += 1
        for n, ring in enumerate(self.rings):
            ring.step(released if which >> n & 1 else 0, 8 if not self.stalls else int(self.chance()))
            ctx.set(dut.ready[n], ring.ready)
            ctx.set(dut.tail[n], ring.tail)

    async def start(self, ctx, length):
        dut = self.dut
        ctx.set(dut.window_size, WINDOW)
        ctx.set(dut.length, length)
        ctx.set(dut.start, 1)
        await self.tick(ctx)
        ctx.set(dut.start, 0)

    def check(self, ctx, want):
        """The slot of this cycle is the one that is due, and its words are in the rings."""
        dut = self.dut
        kind = ctx.get(dut.slot)
        assert kind == want.kind, f"cycle {self.now}: {kind}, not {want}"
        got = {name: ctx.get(getattr(dut, f"slot_{name}")) for name in want.fields}
        assert got == want.fields, f"cycle {self.now}: {got}, not {want}"
        for n, word in want.words.items():
            place = ctx.get(dut.slot_word[n])
            assert self.rings[n].places[place] == word, f"ring {n}: {self.rings[n].places[place]}, not {word}"

    async def take(self, ctx, d):
        """Offer a descriptor, perhaps late."""
        dut = self.dut
        while not self.chance():
            assert ctx.get(dut.stall) == Stall.DESCRIPTOR and ctx.get(dut.slot) == Slot.NONE
            await self.tick(ctx)
        ctx.set(dut.desc.as_value(), bits(d))
        ctx.set(dut.desc_valid, 1)

    async def conv(self, ctx, d):
        """Run a layer to its end; cycles beyond those that its slots need."""
        dut, dice = self.dut, self.dice
        for ring, words in zip(self.rings, layer_words(d, self.config), strict=True):
            ring.coming += words
        await self.take(ctx, d)
        due = deque(slots(d, self.config))
        at, last_at, ends, set_up, lost, finished = self.now + FIRST_SLOT - 1, 0, [], 0, 0, 0
        for _ in range(30_000):
            for name in ("tile", "pool"):
                done = bool(ends) and min(ends)[1] == name and min(ends)[0] <= self.now
                ctx.set(getattr(dut, f"{name}_done"), done)
                if done:
                    ends.remove(min(ends))
                    finished = self.now
            if ctx.get(dut.slot) != Slot.NONE:
                assert due, f"cycle {self.now}: a slot too many"
                want = due.popleft()
                self.check(ctx, want)
                assert self.now >= last_at + want.last_gap, f"cycle {self.now}: too close to {last_at}, {want}"
                lost += self.now - max(at + want.gap, last_at + want.last_gap)
                at = self.now
                if want.ends:
                    last_at = self.now
                    ends += [(self.now + 1 + n + (dice.randint(1, 30) if self.stalls else DONE), name)
                             for n, name in enumerate(want.ends)]
            if ctx.get(dut.coords_setup):
                assert ctx.get(dut.layer_start) and not set_up
                set_up = self.now
            ctx.set(dut.coords_busy, bool(self.stalls and set_up) and 0 < self.now - set_up < 9)
            if ctx.get(dut.desc_pop):
                assert not due and not ends, f"ends before {due or ends}"
                assert self.now <= finished + 3, "the end of a layer is noticed late"
                ctx.set(dut.desc_valid, 0)
                await self.tick(ctx)
                return lost
            await self.tick(ctx)
        raise AssertionError(f"the sequencer hangs before {due[0] if due else ends}")

    async def copy(self, ctx, d):
        """A LOAD or STORE; cycles in which nothing was stored though there was room."""
        dut, words = self.dut, d["length"] // 8
        await self.take(ctx, d)
        load, begun, stored, lost, busy = d["opcode"] == Opcode.LOAD, 0, 0, 0, self.dice.randint(1, 9)
        for _ in range(5000):
            ctx.set(dut.store_room, self.chance())
            if ctx.get(dut.load_start if load else dut.store_start):
                assert not begun and not ctx.get(dut.store_start if load else dut.load_start)
                begun = self.now
            if ctx.get(dut.slot) != Slot.NONE:
                assert ctx.get(dut.slot) == Slot.STORE and not load and begun
                assert ctx.get(dut.slot_base) == (d["in_base"] + 8 * stored) % self.config.ab_span
                lost = self.now - begun - 2 - stored
                stored += 1
            # The copy is under way from the cycle after its begin until some time after its last word.
            if begun and self.now > begun and (load or stored == words):
                busy -= 1
            ctx.set(dut.load_busy, load and bool(begun) and busy > 0)
            ctx.set(dut.store_busy, not load and bool(begun) and busy > 0)
            if ctx.get(dut.desc_pop):
                assert begun and busy <= 0 and stored == (0 if load else words)
                ctx.set(dut.desc_valid, 0)
                await self.tick(ctx)
                return lost
            await self.tick(ctx)
        raise AssertionError("a copy hangs")


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_every_slot_in_its_cycle(config, stalls):
    bench, dice = Bench(config, stalls, config.lanes), random.Random(f"layers {stalls}")
    dut = bench.dut

    async def body(ctx):
        await bench.start(ctx, 24)
        for n in range(24):
            assert ctx.get(dut.index) == n and ctx.get(dut.running) and not ctx.get(dut.done)
            copy = dice.random() < 0.3
            d = random_copy(dice, config, WINDOW) if copy else random_layer(dice, config)
            lost = await (bench.copy(ctx, d) if copy else bench.conv(ctx, d))
            assert stalls or not lost, f"{lost} bubbles in {d}"
        assert ctx.get(dut.done) and ctx.get(dut.error) == ErrorCode.NONE
        await bench.tick(ctx)
        assert not ctx.get(dut.running) and not ctx.get(dut.done)
    run(dut, body, cycles=400_000)


def plain(**changes):
    """A small dense layer."""
    base = random_layer(random.Random(1), CONFIGS["one group"])
    return base | {"flags": 0, "kernel": 1, "in_blocks": 2, "out_blocks": 2, "split": 0, "extra_images": 0, "in_w": 3,
                   "in_h": 3, "out_h": 3, **changes}


@pytest.mark.parametrize(("change", "code"), [
    ({"kernel": 2}, ErrorCode.DESCRIPTOR), ({"flags": Flag.TRANSPOSE}, ErrorCode.DESCRIPTOR),
    ({"opcode": 7}, ErrorCode.DESCRIPTOR), ({"opcode": Opcode.LOAD, "length": 0}, ErrorCode.DESCRIPTOR),
    ({"opcode": Opcode.LOAD, "length": 16, "mem_offset": WINDOW - 1, "out_base": 0}, ErrorCode.WINDOW),
    ({"opcode": Opcode.STORE, "length": 8, "mem_offset": WINDOW, "in_base": 0}, ErrorCode.WINDOW),
    ({"opcode": Opcode.STORE, "length": 8, "mem_offset": 2**32 - 1, "in_base": 0}, ErrorCode.WINDOW),
], ids=str)
def test_what_breaks_a_rule_stops_the_program(change, code):
    bench = Bench(CONFIGS["one group"], 0.0, 1)
    dut = bench.dut

    async def body(ctx):
        await bench.start(ctx, 9)
        await bench.conv(ctx, plain())
        await bench.take(ctx, plain(**change))
        for _ in range(30):
            await bench.tick(ctx)
            assert ctx.get(dut.slot) == Slot.NONE and not ctx.get(dut.desc_pop) and not ctx.get(dut.done)
            assert not ctx.get(dut.load_start) and not ctx.get(dut.store_start) and not ctx.get(dut.layer_start)
        assert ctx.get(dut.error) == code and ctx.get(dut.index) == 1 and not ctx.get(dut.running)
    run(dut, body)


@pytest.mark.parametrize("cycle", [1, 7, 9, 12, 20, 40, 45, 52, 60, 80])
@pytest.mark.parametrize("held", [False, True])
def test_an_abort_stops_it_anywhere(cycle, held):
    """Whatever it waits for."""
    bench = Bench(CONFIGS["one group"], 0.0, 1)
    dut, d = bench.dut, plain(flags=Flag.TABLE, in_blocks=4)

    async def body(ctx):
        await bench.start(ctx, 1)
        if not held:
            for ring, words in zip(bench.rings, layer_words(d, bench.config), strict=True):
                ring.coming += words
        await bench.take(ctx, d)
        for _ in range(cycle):
            await bench.tick(ctx)
        ctx.set(dut.abort_code, ErrorCode.TIMEOUT)
        ctx.set(dut.abort, 1)
        for _ in range(18):
            await bench.tick(ctx)
        assert ctx.get(dut.error) == ErrorCode.TIMEOUT and not ctx.get(dut.running)
        assert ctx.get(dut.slot) == Slot.NONE and not ctx.get(dut.done)
    run(dut, body)
