"""Read bursts: where they may lie, and how many may be under way."""

from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, Mux, Signal

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.dma_read import OUTSTANDING, Burst, ReadDMA
from nigiri_hw.formal.streams import stable

__all__ = ["ReadBursts"]


class ReadBursts(Elaboratable):
    """Read DMA: any requests inside the window, any answers of the memory.

    Address channels are stable; a burst lies inside the window, is no longer than 16 beats, and crosses no 4 KiB
    boundary; no more than eight are under way at a port.

    invariants: also what holds between the registers, so that induction closes.  Then a queue is taken at its word:
    what leaves it is as good as what enters it, which `fifo` proves.
    """

    def __init__(self, config: AcceleratorConfig, invariants: bool = False):
        self.dma = ReadDMA(config)
        self.config, self.invariants = config, invariants
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
            # From the accepted address to the last beat of the burst.
            sent, flight = d.lanes[n].sent, Signal(range(OUTSTANDING + 2), name=f"flight{n}")
            m.d.sync += flight.eq(flight + accepted - (sent.r_en & sent.r_rdy))
            m.d.comb += Assert(flight <= OUTSTANDING)
            if self.invariants:
                m.d.comb += [Assert(sent.level <= OUTSTANDING), Assert(flight + axi.arvalid == sent.level)]
                with m.If(flight == 0):
                    m.d.comb += Assume(~axi.rvalid)            # as above, of all states that induction begins in
        if self.invariants:
            self._split(m)
        return m

    def _split(self, m: Module) -> None:
        """Pieces of a request lie in what is left of it, and in a burst's own size."""
        d, most = self.dma, self.config.burst_words
        with m.If(d.splitting):
            m.d.comb += [Assert(d.left >= 1), Assert(d.left <= 16), Assert(d.offset + d.left <= self.window)]

        def good(b):
            return (b.count >= 1) & (b.offset % most + b.count <= most) & (b.offset + b.count <= self.window)
        for n, lane in enumerate(d.lanes):
            head = Signal(Burst, name=f"head{n}")
            m.d.comb += head.as_value().eq(lane.waiting.r_data)
            with m.If(lane.burst.valid):
                m.d.comb += Assert(good(lane.burst.payload))
            with m.If(lane.waiting.r_rdy):
                m.d.comb += Assume(good(head))
