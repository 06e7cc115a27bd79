"""AXI handshakes and the order of streams: rules that every valid/ready pair obeys."""

from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib.fifo import SyncFIFO

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.control import ControlRegisters
from nigiri_hw.core.dma_read import ReadDMA
from nigiri_hw.core.dma_write import WriteDMA

__all__ = ["ControlRules", "FifoOrder", "ReadBursts", "WriteBursts", "stable"]


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


class ReadBursts(Elaboratable):
    """Read DMA: any requests inside the window, any answers of the memory.

    Address channels are stable; a burst lies inside the window, is no longer than 16 beats, and crosses no 4 KiB
    boundary.
    """

    def __init__(self, config: AcceleratorConfig):
        self.dma = ReadDMA(config)
        self.config = config
        d = self.dma
        self.window, self.base = Signal(32), Signal(64)
        self.inputs = [d.request.valid, d.request.payload.as_value(), d.flush]
        for axi in d.axi:
            self.inputs += [axi.arready, axi.rdata, axi.rresp, axi.rlast, axi.rvalid]
        self.ports = [self.window, self.base, *self.inputs]

    def elaborate(self, platform):
        m = Module()
        m.submodules.dma = d = self.dma
        first, window, base = Signal(init=1), Signal(32), Signal(64)
        m.d.sync += [first.eq(0), window.eq(self.window), base.eq(self.base)]
        with m.If(~first):
            m.d.comb += [Assume(self.window == window), Assume(self.base == base)]
        # A page lies below the end of the address space, the whole window too.
        m.d.comb += [
            d.base.eq(self.base),
            Assume(self.base[:12] == 0),
            Assume(self.base[36:] == 0),
            Assume(self.window <= 1 << 26),
        ]
        r = d.request.p
        with m.If(d.request.valid):
            m.d.comb += [
                Assume(r.count >= 1),
                Assume(r.count <= 16),
                Assume(r.offset <= self.window),
                Assume(r.offset + r.count <= self.window),
            ]
        for n, axi in enumerate(d.axi):
            stable(m, axi.arvalid, axi.arready, Cat(axi.araddr, axi.arlen), f"ar{n}")
            size = Signal(13, name=f"size{n}")
            m.d.comb += size.eq((axi.arlen + 1) * (self.config.port_bits // 8))
            with m.If(axi.arvalid):
                m.d.comb += [
                    Assert(axi.araddr[:12] + size <= 4096),
                    Assert(axi.araddr >= self.base[:40]),
                    Assert(axi.araddr + size <= self.base[:40] + (self.window << 6)),
                    Assert(axi.arlen < 16),
                ]
            # The memory answers bursts that were accepted, beat by beat.
            owed = Signal(range(8 * 16 + 17), name=f"owed{n}")
            accepted, beat = axi.arvalid & axi.arready, axi.rvalid & axi.rready
            m.d.sync += owed.eq(owed + Mux(accepted, axi.arlen + 1, 0) - beat)
            with m.If(owed == 0):
                m.d.comb += Assume(~axi.rvalid)
        return m


class WriteBursts(Elaboratable):
    """Write DMA: channels are stable, a burst is one word at 64-byte alignment at the next address, its last beat and
    no other is marked, and no more than the promised words are under way."""

    def __init__(self, config: AcceleratorConfig):
        self.dma = WriteDMA(config)
        self.config = config
        d = self.dma
        self.take, self.offset, self.base = Signal(), Signal(32), Signal(64)
        self.word_en = Signal()
        self.ports = [self.take, self.offset, self.base, self.word_en, d.axi.awready, d.axi.wready, d.axi.bvalid,
                      d.axi.bresp, *d.word]

    def elaborate(self, platform):
        m = Module()
        m.submodules.dma = d = self.dma
        axi, beats = d.axi, 512 // self.config.port_bits
        begun, offset, base = Signal(), Signal(32), Signal(64)
        with m.If(~begun):
            m.d.sync += [begun.eq(1), offset.eq(self.offset), base.eq(self.base)]
            m.d.comb += [Assume(self.base[:12] == 0), Assume(self.base[36:] == 0), Assume(self.offset < 1 << 26)]
        m.d.comb += [d.start.eq(~begun), d.offset.eq(self.offset), d.base.eq(Mux(begun, base, self.base))]
        # Promises are made while there is room, and kept in order.
        owed = Signal(range(64))
        taken = self.take & d.room & begun
        m.d.comb += [d.take.eq(taken), d.word_en.eq(self.word_en & (owed != 0))]
        m.d.sync += owed.eq(owed + taken - d.word_en)
        stable(m, axi.awvalid, axi.awready, axi.awaddr, "aw")
        stable(m, axi.wvalid, axi.wready, Cat(axi.wdata, axi.wlast, axi.wstrb), "w")
        addresses, beat, whole, answers = Signal(8), Signal(range(beats)), Signal(8), Signal(8)
        with m.If(axi.awvalid):
            m.d.comb += [
                Assert(axi.awaddr == (base + ((offset + addresses) << 6))[:40]),
                Assert(axi.awlen == beats - 1),
            ]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += addresses.eq(addresses + 1)
        with m.If(axi.wvalid):
            m.d.comb += Assert(axi.wlast == (beat == beats - 1))
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += beat.eq(Mux(axi.wlast, 0, beat + 1))
            m.d.sync += whole.eq(whole + axi.wlast)
        # An answer comes after address and data.
        with m.If((answers >= addresses) | (answers >= whole)):
            m.d.comb += Assume(~axi.bvalid)
        m.d.sync += answers.eq(answers + (axi.bvalid & axi.bready))
        promised = Signal(8)
        m.d.sync += promised.eq(promised + taken)
        m.d.comb += [
            Assert(addresses - whole + 1 <= 2),                # data and address of a word are never further apart
            Assert((promised == answers) | d.busy),
            Assert(promised - answers <= 16),
        ]
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
