"""The fetch unit alone: every word of a layer comes once, in order, from the persistent buffer exactly where the
residency says so, whatever the rings, the read DMA and the copy engines let it do; nothing outside the window."""
from __future__ import annotations

import random

import pytest
from hw_helpers import layer_bits, put, run, small

from nigiri.spec import descriptor
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_hw.core.fetch import FetchUnit
from nigiri_hw.core.request import Kind

CONFIG = small(db_words=64, pb_words=256)
ENTRY = ("valid", "out_blocks", "in_blocks", "taps", "base", "size")


def expected(layer, entry):
    """(kind, word or PB address) of every word, in order: table, parameters, weights."""
    out = [("dram", layer["table_offset"] + k) for k in range(4)] if layer["flags"] & Flag.TABLE else []
    taps = descriptor.taps(layer)
    entry = entry | {"valid": entry["valid"] and not layer["flags"] & Flag.PRODUCT}
    for ob in range(layer["out_blocks"]):
        out.append(("dram", layer["param_offset"] + ob))
        for ib in range(layer["in_blocks"]):
            for t in range(taps):
                if entry["valid"] and ob < entry["out_blocks"] and ib < entry["in_blocks"] and t < entry["taps"]:
                    out.append(("pb", entry["base"] + (ob * entry["in_blocks"] + ib) * entry["taps"] + t))
                else:
                    out.append(("dram", layer["mem_offset"] + place(layer, ob, ib) + t))
    return out


def place(layer, ob, ib):
    """Where the words of a pair of blocks begin, from the layer's offset on."""
    if layer["flags"] & Flag.TRANSPOSE:
        return ob * layer["w_taps"] + ib
    if layer["flags"] & Flag.PRODUCT:
        return ib * layer["w_taps"] + ob
    return (ob * layer["w_blocks"] + ib) * layer["w_taps"]


def random_layer(dice, number):
    kernel = dice.choice((1, 1, 3, 5))
    flags = dice.choice((0, 0, Flag.DEPTHWISE)) | dice.choice((0, Flag.TABLE))
    ib = 1 if flags & Flag.DEPTHWISE else dice.randint(1, 2 if kernel == 5 else 4)
    taps = kernel if flags & Flag.DEPTHWISE else kernel**2
    layer = {"opcode": Opcode.CONV, "flags": flags, "kernel": kernel, "in_w": 4, "in_h": 4, "out_h": 4,
             "out_blocks": dice.randint(1, 4), "in_blocks": ib, "mem_offset": dice.randint(0, 3000),
             "w_taps": taps + dice.choice((0, 0, 5)), "w_blocks": ib + dice.choice((0, 1)),
             "param_offset": dice.randint(0, 3000), "table_offset": dice.randint(0, 3000), "layer": number % 8}
    if kernel == 1 and not flags & Flag.DEPTHWISE and dice.random() < 0.6:
        layer["flags"] |= Flag.PRODUCT | dice.choice((0, Flag.TRANSPOSE))
        layer["w_taps"] = dice.randint(1, 6)
    box = {"out_blocks": dice.randint(1, 4), "in_blocks": dice.randint(1, layer["w_blocks"]),
           "taps": dice.randint(1, layer["w_taps"])}
    entry = {"valid": dice.random() < 0.7, **box, "base": dice.randint(0, 100),
             "size": box["out_blocks"] * box["in_blocks"] * box["taps"]}
    return layer, entry


class Bench:
    """Rings that are emptied as they please, a request port and copy engines that wait."""

    def __init__(self, dut, stalls, seed):
        self.dut, self.stalls, self.dice = dut, stalls, random.Random(seed)
        self.got, self.fill, self.head, self.first = [], 0, 0, None

    def sources(self, ctx):
        """What moves in this cycle."""
        dut = self.dut
        if ctx.get(dut.request.valid) and ctx.get(dut.request.ready):
            p = dut.request.payload
            first, count = ctx.get(p.offset), ctx.get(p.count)
            turned = self.layer_now["flags"] & Flag.TRANSPOSE and not ctx.get(dut.request_table)
            assert ctx.get(p.kind) == (Kind.TRANSPOSED if turned else Kind.DYNAMIC)
            assert self.reached or not self.layer_now["flags"] & Flag.PRODUCT
            assert ctx.get(p.dest) == self.head and first + count <= 4000
            self.got += [("dram", first + k) for k in range(count)]
            return count
        if ctx.get(dut.copy_valid) and ctx.get(dut.copy_ready):
            first, count = ctx.get(dut.copy_addr), ctx.get(dut.copy_count)
            assert ctx.get(dut.copy_pos) == self.head
            self.got += [("pb", first + k) for k in range(count)]
            return count
        return 0

    async def layer(self, ctx, layer, entry):
        """Until the unit has popped the descriptor; the cycles it took."""
        dut, size = self.dut, CONFIG.ring_words
        self.layer_now, self.reached = layer, False
        ctx.set(dut.desc.as_value(), layer_bits(**layer))
        ctx.set(dut.desc_valid, 1)
        ctx.set(dut.entry.as_value(), 0)
        for name in ENTRY:
            ctx.set(getattr(dut.entry, name), entry[name])
        for cycle in range(20_000):
            ctx.set(dut.request.ready, self.dice.random() >= self.stalls)
            ctx.set(dut.copy_ready, self.dice.random() >= self.stalls)
            ctx.set(dut.hold, self.dice.random() < self.stalls / 2)
            self.reached = self.reached or self.dice.random() >= self.stalls
            ctx.set(dut.reached, self.reached)
            put(ctx, dut.head, [self.head])
            put(ctx, dut.free, [size - self.fill])
            moved = self.sources(ctx)
            assert moved <= size - self.fill, "a ring overflows"
            assert bool(ctx.get(dut.alloc_en)) == bool(moved) and (not moved or ctx.get(dut.alloc_count) == moved)
            self.first = cycle if moved and self.first is None else self.first
            self.head = (self.head + moved) % (2 * size)
            self.fill += moved
            if self.fill and self.dice.random() >= self.stalls:
                self.fill -= self.dice.randint(1, self.fill)
            done = ctx.get(dut.desc_pop)
            if ctx.get(dut.failed):
                return None
            await ctx.tick()
            if done:
                ctx.set(dut.desc_valid, 0)
                return cycle
        raise AssertionError("the unit hangs")

    async def start(self, ctx, window):
        put(ctx, (self.dut.window_size, self.dut.start), (window, 1))
        await ctx.tick()
        ctx.set(self.dut.start, 0)


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_every_word_once_and_from_the_right_place(stalls, seed):
    dut = FetchUnit(CONFIG)
    bench = Bench(dut, stalls, seed)
    dice = random.Random(seed)
    print("seed", seed)

    async def body(ctx):
        await bench.start(ctx, 4000)
        for number in range(25):
            layer, entry = random_layer(dice, number)
            bench.got.clear()
            assert ctx.get(dut.index) == number
            await bench.layer(ctx, layer, entry)
            assert bench.got == expected(layer, entry), (layer, entry)
    run(dut, body, cycles=200_000)


@pytest.mark.parametrize("change", [{"param_offset": 3998}, {"mem_offset": 3950}, {"table_offset": 3997, "flags": 4},
                                    {"mem_offset": 2**32 - 1}, {"param_offset": 2**32 - 1}])
def test_stops_at_the_end_of_the_window(change):
    dut = FetchUnit(CONFIG)
    bench = Bench(dut, 0.0, 1)
    layer, entry = random_layer(random.Random(5), 0)
    layer |= {"flags": 0, "kernel": 3, "in_blocks": 2, "w_blocks": 2, "w_taps": 9, "out_blocks": 4,
              "mem_offset": 100, "param_offset": 100, "table_offset": 100, **change}
    want = expected(layer, entry | {"valid": 0})

    async def body(ctx):
        await bench.start(ctx, 4000)
        assert await bench.layer(ctx, layer, entry | {"valid": 0}) is None
        assert bench.got == want[:len(bench.got)] and all(w < 4000 for _, w in bench.got)
    run(dut, body)


def test_a_product_waits_until_the_sequencer_has_come_to_it():
    dut = FetchUnit(CONFIG)
    bench = Bench(dut, 0.0, 1)
    layer, _ = random_layer(random.Random(5), 0)
    layer |= {"flags": Flag.PRODUCT, "kernel": 1, "in_blocks": 2, "w_taps": 2}

    async def body(ctx):
        await bench.start(ctx, 4000)
        ctx.set(dut.desc.as_value(), layer_bits(**layer))
        put(ctx, (dut.desc_valid, dut.request.ready, *dut.free), (1, 1, 32))
        ctx.set(dut.hold, 1)                      # what a fill holds up are layers that it may change
        for cycle in range(60):
            ctx.set(dut.reached, cycle >= 40)
            assert cycle > 40 or not ctx.get(dut.request.valid)
            if ctx.get(dut.request.valid):
                break
            await ctx.tick()
        assert 40 < cycle < 55 and not ctx.get(dut.busy)
    run(dut, body)


def test_a_layer_waits_while_it_is_held():
    dut = FetchUnit(CONFIG)
    bench = Bench(dut, 0.0, 1)
    layer, _ = random_layer(random.Random(5), 0)

    async def body(ctx):
        await bench.start(ctx, 4000)
        ctx.set(dut.desc.as_value(), layer_bits(**layer))
        put(ctx, (dut.desc_valid, dut.hold, dut.request.ready, *dut.free), (1, 1, 1, 32))
        for _ in range(40):
            assert not ctx.get(dut.request.valid) and not ctx.get(dut.copy_valid) and not ctx.get(dut.busy)
            await ctx.tick()
    run(dut, body)


def test_a_layers_first_request_comes_eight_cycles_after_its_descriptor():
    """One to take it, four for the rules and the residency, three to set up; layer after layer."""
    dut = FetchUnit(CONFIG)
    bench = Bench(dut, 0.0, 1)
    layer, entry = random_layer(random.Random(5), 0)
    layer |= {"flags": 0, "kernel": 1, "in_blocks": 4, "w_blocks": 4, "w_taps": 1, "out_blocks": 2}
    began = []

    async def body(ctx):
        await bench.start(ctx, 4000)
        for _ in range(3):
            bench.first = None
            cycles = await bench.layer(ctx, layer, entry | {"valid": 0})
            began.append((bench.first, cycles))
    run(dut, body)
    assert began == 3 * [(8, 14)]
