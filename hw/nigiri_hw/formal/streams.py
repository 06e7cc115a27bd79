"""AXI handshakes and the order of streams: rules that every valid/ready pair obeys."""

from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, Signal, Value
from amaranth.lib.fifo import SyncFIFO

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.control import ControlRegisters

__all__ = ["ControlRules", "FifoOrder", "stable"]


def stable(m: Module, valid, ready, payload, name: str) -> None:
    """Once valid, a transfer stays as it is until it is taken."""
    waits, before = Signal(name=f"{name}_waits"), Signal(len(Value.cast(payload)), name=f"{name}_before")
    m.d.sync += [waits.eq(valid & ~ready), before.eq(payload)]
    with m.If(waits):
        m.d.comb += Assert(valid & (payload == before))


class FifoOrder(Elaboratable):
    """Words leave a SyncFIFO in the order in which they came, none is lost and none comes twice.

    A word that is chosen freely when it enters is followed by its place in the queue.
    """

    def __init__(self, width: int = 8, depth: int = 4):
        self.fifo = SyncFIFO(width=width, depth=depth)
        self.choose, self.w_data, self.w_en, self.r_en = Signal(), Signal(width), Signal(), Signal()
        self.ports = [self.choose, self.w_data, self.w_en, self.r_en]

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = f = self.fifo
        m.d.comb += [f.w_data.eq(self.w_data), f.w_en.eq(self.w_en), f.r_en.eq(self.r_en)]
        entered, left = f.w_en & f.w_rdy, f.r_en & f.r_rdy
        held = Signal(range(f.depth + 1))
        m.d.sync += held.eq(held + entered - left)
        inside, ahead, word = Signal(), Signal(range(f.depth + 1)), Signal(f.width)
        with m.If(~inside & self.choose & entered):
            m.d.sync += [inside.eq(1), word.eq(f.w_data), ahead.eq(held - left)]
        with m.Elif(inside & left):
            m.d.sync += [ahead.eq(ahead - 1), inside.eq(ahead != 0)]
        m.d.comb += [
            Assert(held <= f.depth),
            Assert(f.w_rdy == (held != f.depth)),
            Assert(f.r_rdy == (held != 0)),
            Assert(f.level == held),
        ]
        with m.If(inside):
            m.d.comb += Assert(ahead < held)
            with m.If(ahead == 0):
                m.d.comb += Assert(f.r_rdy & (f.r_data == word))
        return m


class ControlRules(Elaboratable):
    """AXI4-Lite: answers are stable, one for each request, and none comes unasked; any registers, any device."""

    def __init__(self, config: AcceleratorConfig):
        self.control = ControlRegisters(config)
        axi = self.control.axi
        self.ports = [axi.awaddr, axi.awvalid, axi.wdata, axi.wstrb, axi.wvalid, axi.bready, axi.araddr, axi.arvalid,
                      axi.rready]

    def elaborate(self, platform):
        m = Module()
        m.submodules.control = c = self.control
        axi = c.axi
        stable(m, axi.bvalid, axi.bready, axi.bresp, "b")
        stable(m, axi.rvalid, axi.rready, Cat(axi.rdata, axi.rresp), "r")
        # Masters hold what they ask.
        for valid, ready, payload in (
            (axi.awvalid, axi.awready, axi.awaddr),
            (axi.wvalid, axi.wready, Cat(axi.wdata, axi.wstrb)),
            (axi.arvalid, axi.arready, axi.araddr),
        ):
            waits, before = Signal(), Signal(len(Value.cast(payload)))
            m.d.sync += [waits.eq(valid & ~ready), before.eq(payload)]
            with m.If(waits):
                m.d.comb += [Assume(valid), Assume(payload == before)]
        reads, aws, ws = Signal(2), Signal(2), Signal(2)
        m.d.sync += [
            reads.eq(reads + (axi.arvalid & axi.arready) - (axi.rvalid & axi.rready)),
            aws.eq(aws + (axi.awvalid & axi.awready) - (axi.bvalid & axi.bready)),
            ws.eq(ws + (axi.wvalid & axi.wready) - (axi.bvalid & axi.bready)),
        ]
        m.d.comb += [
            Assert(reads <= 1),
            Assert((reads == 0) == axi.arready),               # a read is under way until it is answered
            Assert(~axi.rvalid | (reads == 1)),
            Assert(aws == axi.bvalid),
            Assert(ws == axi.bvalid),
        ]
        return m
