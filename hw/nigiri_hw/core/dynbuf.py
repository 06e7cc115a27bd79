"""Dynamic buffer: rings of 64-byte words that the fetch unit fills ahead of the array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.lib.ram import ram_style
from nigiri_hw.lib.util import delay

__all__ = ["DynamicBuffer"]


IN_FLIGHT = 5
"""Cycles from a slot that releases a word to the last read of it."""


class DynamicBuffer(wiring.Component):
    """One ring of `ring_words` words; there is one per lane group.

    Words are allocated at the head in order, written in any order, read from the tail in order as often as wanted, and
    released one by one or in blocks.

    Each slot has a mark that flips with every lap, so a word counts as present once it has been written in this lap,
    whichever port or buffer it came from.

    Timing: a read takes one cycle; a written word counts two cycles later, one word a cycle.
    Resources: 8 block RAMs, or UltraRAMs, of 64 bits x ring_words, one LUT RAM bit per slot.

    Members
    -------
    alloc_en, alloc_count: moves the head.  free: slots left.
    head: position (slot and lap bit) of the next word allocated.
    wr_en, wr_pos, wr_data: one word.
    tail: slot of the oldest word.  ready: words present without a gap, counted from the tail.
    release_en, release_count: moves the tail; the slots are free again when reads under way are sure to be over.
    rd_addr, rd_data: a slot, and its word one cycle later.
    clear, busy: empties the ring, which takes `ring_words` cycles.
    """

    def __init__(self, config: AcceleratorConfig):
        self.depth, self._attrs = config.ring_words, ram_style(config, "DB")
        a = ceil_log2(self.depth)
        count = range(self.depth + 1)
        super().__init__(
            {
                "alloc_en": In(1),
                "alloc_count": In(count),
                "head": Out(a + 1),
                "free": Out(count),
                "wr_en": In(1),
                "wr_pos": In(a + 1),
                "wr_data": In(64).array(8),
                "tail": Out(a),
                "ready": Out(count),
                "release_en": In(1),
                "release_count": In(count),
                "rd_addr": In(a),
                "rd_data": Out(64).array(8),
                "clear": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        a = ceil_log2(self.depth)
        for n in range(8):
            m.submodules[f"data_{n}"] = mem = Memory(
                shape=64, depth=self.depth, init=[], attrs=self._attrs
            )
            rd, wr = mem.read_port(), mem.write_port()
            m.d.comb += [
                rd.addr.eq(self.rd_addr),
                self.rd_data[n].eq(rd.data),
                wr.addr.eq(self.wr_pos[:a]),
                wr.data.eq(self.wr_data[n]),
                wr.en.eq(self.wr_en),
            ]
        m.submodules.marks = marks = Memory(shape=1, depth=self.depth, init=[])
        mark_rd, mark_wr = marks.read_port(domain="comb"), marks.write_port()
        seen = Signal(a + 1)
        sweep = Signal(range(self.depth))
        m.d.comb += [
            mark_rd.addr.eq(seen[:a]),
            mark_wr.en.eq(self.wr_en | self.busy),
            mark_wr.addr.eq(Mux(self.busy, sweep, self.wr_pos[:a])),
            mark_wr.data.eq(Mux(self.busy, 0, ~self.wr_pos[a])),
        ]
        present = Signal()
        m.d.comb += present.eq(mark_rd.data == ~seen[a])
        tail = Signal(a)
        m.d.comb += self.tail.eq(tail)
        released = Signal(range(self.depth + 1))
        m.d.comb += released.eq(Mux(self.release_en, self.release_count, 0))
        freed = delay(m, released, IN_FLIGHT, "released")
        m.d.sync += [
            seen.eq(seen + present),
            self.ready.eq(self.ready + present - released),
            tail.eq(tail + released),
            self.head.eq(self.head + Mux(self.alloc_en, self.alloc_count, 0)),
            self.free.eq(self.free + freed - Mux(self.alloc_en, self.alloc_count, 0)),
        ]
        with m.If(self.clear):
            m.d.sync += [self.busy.eq(1), sweep.eq(0)]
        with m.If(self.busy):
            m.d.sync += [
                sweep.eq(sweep + 1),
                seen.eq(0),
                self.ready.eq(0),
                tail.eq(0),
                self.head.eq(0),
                self.free.eq(self.depth),
            ]
            with m.If(sweep == self.depth - 1):
                m.d.sync += self.busy.eq(0)
        return m
