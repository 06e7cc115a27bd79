"""Write bursts: addresses in order, data that belong to them, and no more than were promised."""

from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, Mux, Signal

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.dma_write import DEPTH, WriteDMA
from nigiri_hw.formal.streams import stable

__all__ = ["WriteBursts"]


class WriteBursts(Elaboratable):
    """Write DMA: channels are stable, a burst is one word at 64-byte alignment at the next address, its last beat and
    no other is marked, and no more than the promised words are under way.

    invariants: also what holds between the registers, so that induction closes.
    """

    def __init__(self, config: AcceleratorConfig, invariants: bool = False):
        self.dma = WriteDMA(config)
        self.config, self.invariants = config, invariants
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
        # Counters go round; only their differences are looked at.
        addresses, beat, whole, answers = Signal(32), Signal(range(beats)), Signal(32), Signal(32)
        with m.If(axi.awvalid):
            m.d.comb += [
                Assert(axi.awaddr == (base + ((offset + addresses)[:32] << 6))[:40]),
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
        with m.If((answers == addresses) | (answers == whole)):
            m.d.comb += Assume(~axi.bvalid)
        m.d.sync += answers.eq(answers + (axi.bvalid & axi.bready))
        promised = Signal(32)
        m.d.sync += promised.eq(promised + taken)
        apart = (addresses - whole)[:32]
        m.d.comb += [
            Assert((apart == 0) | (apart == 1) | (apart == (1 << 32) - 1)),    # data and address of a word
            Assert((promised == answers) | d.busy),
            Assert((promised - answers)[:32] <= DEPTH),
        ]
        if self.invariants:
            started = (addresses + axi.awvalid)[:32]
            m.d.comb += [
                Assert((whole + d.sending)[:32] == started),
                Assert((promised - answers)[:32] == d.promised),
                # What was promised has not come yet, waits, or is under way.
                Assert(owed + d.words.level + (started - answers)[:32] == d.promised),
                Assert(d.promised <= DEPTH),
                Assert((addresses - answers)[:32] <= DEPTH),
                Assert((whole - answers)[:32] <= DEPTH),
                Assert(axi.bready),
            ]
            with m.If(begun):
                m.d.comb += Assert(d.at == (offset + started)[:32])
            with m.Else():
                m.d.comb += [Assert(~axi.awvalid & ~d.sending & (d.promised == 0)), Assert(addresses == 0)]
            with m.If(d.sending):
                m.d.comb += Assert(d.beat == beat)
            with m.Else():
                m.d.comb += Assert(beat == 0)
        return m
