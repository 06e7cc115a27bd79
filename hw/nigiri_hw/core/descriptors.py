"""Descriptor queue: reads the program ahead and hands descriptors to the fetch unit and the sequencer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.core.request import Kind, WordBus, beyond, request_stream

__all__ = ["DescriptorQueue"]

DEPTH = 4


class DescriptorQueue(wiring.Component):
    """DEPTH descriptors, read in order by two consumers that each see every one.

    Members
    -------
    start, offset, length: a program.  fetch_*, run_*: the consumers' next descriptors.
    failed: the descriptor that the sequencer needs next lies outside the window.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "halt": In(1),
                "offset": In(32),
                "length": In(32),
                "window_size": In(32),
                "request": request_stream(),
                "bus": In(WordBus),
                "failed": Out(1),
                "fetch_valid": Out(1),
                "fetch": Out(descriptor_layout()),
                "fetch_pop": In(1),
                "run_valid": Out(1),
                "run": Out(descriptor_layout()),
                "run_pop": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        store = [[Signal(64, name=f"d{n}_{k}") for k in range(16)] for n in range(DEPTH)]
        present = [Signal(2, name=f"present{n}") for n in range(DEPTH)]
        asked, fetched, run, end = Signal(32), Signal(32), Signal(32), Signal(32)
        active = Signal()
        where = Signal(32)
        req = self.request
        outside = beyond(where, 2, self.window_size)
        wanted = active & (asked != end) & (asked - fetched < DEPTH) & (asked - run < DEPTH)
        m.d.comb += [
            req.p.offset.eq(where),
            req.p.count.eq(2),
            req.p.kind.eq(Kind.DESCRIPTOR),
            req.p.dest.eq(asked[:2] << 1),
            req.p.tag.eq(asked),
            req.valid.eq(wanted & ~outside & ~self.halt),
            self.failed.eq(active & (asked == run) & outside & (asked != end)),
        ]
        with m.If(req.valid & req.ready):
            m.d.sync += [asked.eq(asked + 1), where.eq(where + 2)]
            with m.Switch(asked[:2]):
                for n in range(DEPTH):
                    with m.Case(n):
                        m.d.sync += present[n].eq(0)
        with m.If(self.bus.valid & (self.bus.kind == Kind.DESCRIPTOR)):
            for n in range(DEPTH):
                for half in range(2):
                    with m.If(self.bus.dest[:3] == 2 * n + half):
                        m.d.sync += present[n][half].eq(1)
                        m.d.sync += [store[n][8 * half + k].eq(self.bus.data[k]) for k in range(8)]
        for pointer, valid, out, pop in (
            (fetched, self.fetch_valid, self.fetch, self.fetch_pop),
            (run, self.run_valid, self.run, self.run_pop),
        ):
            with m.Switch(pointer[:2]):
                for n in range(DEPTH):
                    with m.Case(n):
                        m.d.comb += valid.eq((pointer != asked) & present[n].all())
                        m.d.comb += [out.as_value()[64 * k : 64 * k + 64].eq(store[n][k]) for k in range(16)]
            with m.If(pop):
                m.d.sync += pointer.eq(pointer + 1)
        with m.If(self.start):
            m.d.sync += [
                asked.eq(0),
                fetched.eq(0),
                run.eq(0),
                where.eq(self.offset),
                active.eq(1),
                end.eq(self.length),
            ]
            m.d.sync += [p.eq(0) for p in present]
        return m
