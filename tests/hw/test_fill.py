"""Fill engine, residency table and a memory that answers late: every error code, atomic residency, the interlock."""
from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module
from hw_helpers import put, run, small, words_of

from nigiri.spec import residency
from nigiri.spec.errors import ErrorCode
from nigiri_hw.core.fill import FillEngine
from nigiri_hw.core.request import CHUNK, Kind
from nigiri_hw.core.residency import ResidencyTable

CONFIG = small(pb_words=256, layers=8)
WINDOW = 4000
LIST = 3000
"""Where the entries lie in the window."""


def entry(**fields: int) -> dict[str, int]:
    """A sound fill entry of 2 x 3 blocks x 4 taps; `fields` replace some."""
    return {"magic": residency.MAGIC, "layer": 1, "out_blocks": 2, "in_blocks": 3, "taps": 4, "pb_base": 0,
            "mem_offset": 100, "w_taps": 9, "w_blocks": 5, **fields}


def raw(e: dict[str, int]) -> int:
    return int.from_bytes(residency.encode(residency.FIELDS, residency.WORDS, e), "little")


def sources(e: dict[str, int]) -> list[int]:
    """The word of DRAM that each word of the box comes from, in PB order."""
    return [e["mem_offset"] + (ob * e["w_blocks"] + ib) * e["w_taps"] + t
            for ob in range(e["out_blocks"]) for ib in range(e["in_blocks"]) for t in range(e["taps"])]


FIELDS = ("valid", "out_blocks", "in_blocks", "taps", "base", "size")


class Bench:
    """Engine and table; a read DMA that takes requests and delivers words with random delays; a model of PB."""

    def __init__(self, *, stalls: float = 0.0, bad: tuple[int, ...] = (), seed: int = 0):
        self.module = Module()
        self.module.submodules.engine = self.fill = FillEngine(CONFIG)
        self.module.submodules.table = self.table = ResidencyTable(CONFIG)
        fill, table = self.fill, self.table
        self.module.d.comb += [
            table.look_b.eq(fill.look), fill.entry.eq(table.entry_b), table.wr_en.eq(fill.wr_en),
            table.wr_layer.eq(fill.wr_layer), table.wr_entry.eq(fill.wr_entry)]
        self.stalls, self.bad, self.dice = stalls, bad, random.Random(seed)
        self.list: list[int] = []
        self.offset = LIST
        self.queue: list[tuple[int, Kind, int]] = []
        self.pb: dict[int, int] = {}
        self.writes: list[tuple[int, int]] = []                # (layer, valid)
        self.asked = 0
        self.most_pending = 0

    async def tick(self, ctx) -> None:
        fill = self.fill
        ctx.set(fill.request.ready, int(self.dice.random() >= self.stalls))
        ctx.set(fill.bus.valid, 0)
        if self.queue and self.dice.random() >= self.stalls:
            word, kind, dest = self.queue.pop(0)
            ctx.set(fill.bus.valid, 1)
            ctx.set(fill.bus.kind, kind)
            ctx.set(fill.bus.dest, dest)
            ctx.set(fill.bus.error, int(word in self.bad))
            put(ctx, fill.bus.data, words_of(self.list[word - self.offset], 8) if kind is Kind.ENTRY else [word] * 8)
            if kind is Kind.PERSISTENT:
                self.pb[dest] = word
        elif self.stalls:
            # Words of other units pass by.
            ctx.set(fill.bus.valid, self.dice.getrandbits(1))
            ctx.set(fill.bus.kind, self.dice.choice((Kind.DYNAMIC, Kind.ACTIVATION, Kind.DESCRIPTOR)))
            ctx.set(fill.bus.error, self.dice.getrandbits(1))
        if ctx.get(fill.wr_en):
            self.writes.append((ctx.get(fill.wr_layer), ctx.get(fill.wr_entry.valid)))
        if ctx.get(fill.request.valid) and ctx.get(fill.request.ready):
            p = ctx.get(fill.request.payload)
            assert 1 <= p.count <= CHUNK and p.offset + p.count <= WINDOW, "a request leaves the window"
            self.asked += p.count
            self.queue += [(p.offset + n, p.kind, p.dest + n) for n in range(p.count)]
        self.most_pending = max(self.most_pending, len(self.queue))
        await ctx.tick()

    async def start(self, ctx, entries: list[dict], *, offset: int = LIST, count: int | None = None) -> None:
        fill = self.fill
        self.list, self.offset = [raw(e) for e in entries], offset
        ctx.set(fill.window_size, WINDOW)
        ctx.set(fill.offset, offset)
        ctx.set(fill.count, len(entries) if count is None else count)
        ctx.set(fill.start, 1)
        await self.tick(ctx)
        ctx.set(fill.start, 0)
        assert ctx.get(fill.active) or count == 0

    async def finish(self, ctx) -> tuple[ErrorCode, int | None]:
        """Run to the end; the error and its index, or (NONE, None)."""
        fill, done = self.fill, False
        while ctx.get(fill.active):
            done |= bool(ctx.get(fill.done))
            await self.tick(ctx)
        assert not self.queue, "inactive while words are under way"
        code = ErrorCode(int(ctx.get(fill.error)))
        assert done == (code == ErrorCode.NONE)
        return code, ctx.get(fill.index) if code else None

    async def fill_list(self, ctx, entries: list[dict], **where) -> tuple[ErrorCode, int | None]:
        await self.start(ctx, entries, **where)
        return await self.finish(ctx)

    async def resident(self, ctx, layer: int) -> dict[str, int]:
        """The table's entry, as the fetch unit reads it."""
        ctx.set(self.table.look_a, layer)
        await self.tick(ctx)
        e = ctx.get(self.table.entry_a)
        return {name: getattr(e, name) for name in FIELDS}

    async def check(self, ctx, kept: dict[int, dict]) -> None:
        """Exactly the layers of `kept` are resident, and their words are in PB."""
        for layer in range(CONFIG.layers):
            got = await self.resident(ctx, layer)
            assert bool(got["valid"]) == (layer in kept), f"layer {layer}"
            if layer in kept:
                e = kept[layer]
                assert got == {"valid": 1, "size": residency.size(e), "base": e["pb_base"],
                               **{n: e[n] for n in ("out_blocks", "in_blocks", "taps")}}
                assert [self.pb[e["pb_base"] + n] for n in range(residency.size(e))] == sources(e)


@pytest.mark.parametrize("stalls", [0, 0.5])
def test_boxes_are_copied(stalls):
    """Partial and whole taps, one word, rows longer than a request; replaced and removed layers; back to back lists."""
    bench = Bench(stalls=stalls, seed=1)
    first = [entry(layer=0), entry(layer=1, pb_base=24, out_blocks=3, in_blocks=2, taps=9),
             entry(layer=7, pb_base=78, out_blocks=1, in_blocks=1, taps=1),
             entry(layer=2, pb_base=79, in_blocks=1, taps=49, w_taps=49)]
    second = [entry(layer=1, out_blocks=0, in_blocks=0, taps=77, pb_base=10**6),
              entry(layer=0, pb_base=30, mem_offset=7),
              entry(layer=5, pb_base=0, out_blocks=1, in_blocks=5, taps=5)]

    async def testbench(ctx):
        assert await bench.fill_list(ctx, first) == (ErrorCode.NONE, None)
        await bench.check(ctx, {e["layer"]: e for e in first})
        assert await bench.fill_list(ctx, []) == (ErrorCode.NONE, None)
        bench.asked = 0
        assert await bench.fill_list(ctx, second) == (ErrorCode.NONE, None)
        await bench.check(ctx, {7: first[2], 2: first[3], 0: second[1], 5: second[2]})
        assert bench.asked == 3 + residency.size(second[1]) + residency.size(second[2])
        assert bench.most_pending <= 2 * CHUNK
    run(bench.module, testbench)


BROKEN = [
    ("magic", entry(magic=0x47), ErrorCode.FILL_ENTRY),
    ("layer", entry(layer=8), ErrorCode.FILL_ENTRY),
    ("layer far", entry(layer=0xFFFF), ErrorCode.FILL_ENTRY),
    ("remove a layer beyond", entry(layer=9, out_blocks=0), ErrorCode.FILL_ENTRY),
    ("no input blocks", entry(in_blocks=0), ErrorCode.FILL_ENTRY),
    ("no taps", entry(taps=0), ErrorCode.FILL_ENTRY),
    ("more taps than stored", entry(taps=10), ErrorCode.FILL_ENTRY),
    ("more taps than a kernel has", entry(taps=50, w_taps=60), ErrorCode.FILL_ENTRY),
    ("more blocks than stored", entry(in_blocks=6), ErrorCode.FILL_ENTRY),
    ("one word too far", entry(pb_base=256 - 23), ErrorCode.FILL_RANGE),
    ("far beyond", entry(pb_base=2**32 - 1), ErrorCode.FILL_RANGE),
    ("huge", entry(out_blocks=0xFFFF, in_blocks=0xFFFF, w_blocks=0xFFFF, taps=49, w_taps=49), ErrorCode.FILL_RANGE),
]


def test_an_entry_that_breaks_a_rule_changes_nothing():
    """Each error stops the list at its index; what came before stays; the next list runs."""
    bench = Bench()
    good, other = entry(layer=1, pb_base=100), entry(layer=3, pb_base=130)

    async def testbench(ctx):
        for name, e, code in BROKEN:
            assert residency.problem(e, CONFIG) == code
            assert await bench.fill_list(ctx, [good, e, other]) == (code, 1), name
            await bench.check(ctx, {1: good})
        last = [entry(layer=1, out_blocks=0), entry(pb_base=256 - 24)]
        assert await bench.fill_list(ctx, last) == (ErrorCode.NONE, None)
    run(bench.module, testbench)


@pytest.mark.parametrize(("base", "clash"), [(76, False), (77, True), (110, True), (123, True), (124, False)])
def test_overlap(base, clash):
    """An overlapping entry is refused after its own layer has been made non-resident."""
    bench, kept = Bench(), entry(layer=7, pb_base=100)
    before, new = entry(layer=2, pb_base=0), entry(layer=2, pb_base=base)

    async def testbench(ctx):
        assert await bench.fill_list(ctx, [kept, before]) == (ErrorCode.NONE, None)
        outcome = await bench.fill_list(ctx, [new])
        assert outcome == ((ErrorCode.FILL_OVERLAP, 0) if clash else (ErrorCode.NONE, None))
        await bench.check(ctx, {7: kept} if clash else {7: kept, 2: new})
        moved = entry(layer=7, pb_base=101 if base < 100 else 99)
        assert await bench.fill_list(ctx, [moved]) == (ErrorCode.NONE, None), "a layer overlaps what it replaces"
    run(bench.module, testbench)


def test_transfers_outside_the_window_are_not_made():
    bench, good = Bench(stalls=0.3), entry(layer=0, pb_base=50)

    async def testbench(ctx):
        for e in (entry(mem_offset=WINDOW - 1), entry(mem_offset=2**32 - 1), entry(mem_offset=WINDOW - 66),
                  entry(w_blocks=0xFFFF, w_taps=4)):
            assert await bench.fill_list(ctx, [good, e]) == (ErrorCode.WINDOW, 1)
            await bench.check(ctx, {0: good})
        edge = entry(mem_offset=WINDOW - 67)
        assert await bench.fill_list(ctx, [edge]) == (ErrorCode.NONE, None)
        await bench.check(ctx, {0: good, 1: edge})
        assert await bench.fill_list(ctx, [good], offset=WINDOW) == (ErrorCode.WINDOW, 0)
        assert await bench.fill_list(ctx, [good], offset=2**32 - 1) == (ErrorCode.WINDOW, 0)
        removals = [entry(layer=6, out_blocks=0)] * 5
        assert await bench.fill_list(ctx, removals, offset=WINDOW - 2) == (ErrorCode.WINDOW, 2)
    run(bench.module, testbench)


@pytest.mark.parametrize("where", ["entry", "first word", "last word"])
def test_error_answers(where):
    """A box with a bad word never becomes resident, and the fill is active until the last word has arrived."""
    good, bad = entry(layer=0, pb_base=50), entry(layer=4, mem_offset=500)
    word = {"entry": LIST + 1, "first word": 500, "last word": sources(bad)[-1]}[where]
    bench = Bench(stalls=0.4, bad=(word,))

    async def testbench(ctx):
        assert await bench.fill_list(ctx, [good, bad, good]) == (ErrorCode.AXI_READ, 1)
        await bench.check(ctx, {0: good})
        bench.bad = ()
        assert await bench.fill_list(ctx, [bad]) == (ErrorCode.NONE, None)
        await bench.check(ctx, {0: good, 4: bad})
    run(bench.module, testbench)


def test_a_layer_changes_only_while_the_fetch_unit_is_elsewhere():
    """`hold` rises, and the entry becomes invalid only when fetch is not busy; no word is asked for before."""
    bench, old, new = Bench(), entry(layer=1), entry(layer=1, mem_offset=900, pb_base=3)

    async def testbench(ctx):
        fill = bench.fill
        assert await bench.fill_list(ctx, [old]) == (ErrorCode.NONE, None)
        bench.writes.clear()
        ctx.set(fill.fetch_busy, 1)
        await bench.start(ctx, [new])
        while not ctx.get(fill.hold):
            await bench.tick(ctx)
        asked = bench.asked
        for _ in range(20):
            await bench.tick(ctx)
            assert ctx.get(fill.hold) and not bench.writes
        await bench.check(ctx, {1: old})
        ctx.set(fill.fetch_busy, 0)
        await bench.tick(ctx)
        assert bench.writes == [(1, 0)]
        held = 0
        while ctx.get(fill.hold):
            held += 1
            await bench.tick(ctx)
        assert held >= 2 and bench.asked == asked
        ctx.set(fill.fetch_busy, 1)
        ctx.set(bench.table.look_a, 1)
        while ctx.get(fill.active):
            copied = all(bench.pb.get(3 + n) == source for n, source in enumerate(sources(new)))
            assert copied or not ctx.get(bench.table.entry_a.valid), "resident before its last word"
            await bench.tick(ctx)
        assert bench.writes == [(1, 0), (1, 1)]
        await bench.check(ctx, {1: new})
    run(bench.module, testbench)


def test_the_table_is_read_one_cycle_after_the_address():
    """Two readers and a writer; random entries against a dictionary."""
    dut, dice, model = ResidencyTable(CONFIG), random.Random(0), {}
    blank = {"valid": 0, "out_blocks": 0, "in_blocks": 0, "taps": 0, "base": 0, "size": 0}

    async def testbench(ctx):
        for _ in range(200):
            looks = [dice.randrange(CONFIG.layers) for _ in range(2)]
            layer, write = dice.randrange(CONFIG.layers), dice.random() < 0.5
            e = {"valid": dice.getrandbits(1), "out_blocks": dice.getrandbits(16), "in_blocks": dice.getrandbits(16),
                 "taps": dice.getrandbits(6), "base": dice.getrandbits(20), "size": dice.getrandbits(20)}
            ctx.set(dut.look_a, looks[0])
            ctx.set(dut.look_b, looks[1])
            ctx.set(dut.wr_en, int(write))
            ctx.set(dut.wr_layer, layer)
            ctx.set(dut.wr_entry, e)
            expected = [model.get(look, blank) for look in looks]
            await ctx.tick()
            for port, want in zip((dut.entry_a, dut.entry_b), expected, strict=True):
                assert {name: getattr(ctx.get(port), name) for name in want} == want
            if write:
                model[layer] = e
    run(dut, testbench)
