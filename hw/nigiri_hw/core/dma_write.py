"""Write DMA: 64-byte words to DRAM, one burst each."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.lib.axi import WritePort

__all__ = ["WriteDMA"]

DEPTH = 16


class WriteDMA(wiring.Component):
    """Takes words from `start`'s offset on, in order, and writes them through one AXI4 port.

    Members
    -------
    start, offset: where the next words go.
    take: a word is promised (a slot that will deliver one was issued); room: another may be promised.
    word_en, word: the promised word arrives.
    busy: promised or unanswered words remain.  error: a write was answered with an error (one cycle).
    flush: drops waiting words; a burst that has begun is ended properly.  idle: the port is quiet.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        # Proofs look at these.
        self.words = SyncFIFO(width=512, depth=DEPTH)
        promised, unanswered = Signal(range(DEPTH + 1)), Signal(range(DEPTH + 1))
        begin, sending = Signal(), Signal()
        self.promised, self.unanswered, self.begin, self.sending = promised, unanswered, begin, sending
        self.at, self.beat = Signal(32, name="at"), Signal(range(512 // config.port_bits), name="beat")
        super().__init__(
            {
                "start": In(1),
                "offset": In(32),
                "base": In(64),
                "take": In(1),
                "room": Out(1),
                "word_en": In(1),
                "word": In(64).array(8),
                "busy": Out(1),
                "error": Out(1),
                "flush": In(1),
                "idle": Out(1),
                "axi": Out(WritePort(config.port_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = self._config.port_bits
        beats = 512 // bits
        axi = self.axi
        m.submodules.words = words = self.words
        promised, unanswered, at = self.promised, self.unanswered, self.at
        begin, sending, beat = self.begin, self.sending, self.beat
        data = Signal(512)
        answered = axi.bvalid & axi.bready
        m.d.comb += [
            words.w_data.eq(Cat(*self.word)),
            words.w_en.eq(self.word_en),
            begin.eq(words.r_rdy & ~axi.awvalid & ~sending & ~self.flush),
            words.r_en.eq(begin | self.flush),
            self.room.eq(promised < DEPTH),
            self.busy.eq(self.take | (promised != 0) | sending | axi.awvalid),
            self.idle.eq(~axi.awvalid & ~sending & (unanswered == 0) & ~words.r_rdy),
            self.error.eq(answered & axi.bresp[1]),
            axi.awlen.eq(beats - 1),
            axi.awsize.eq(ceil_log2(bits // 8)),
            axi.awburst.eq(1),
            axi.awcache.eq(0b0011),
            axi.wstrb.eq(-1),
            axi.wdata.eq(data[:bits]),
            axi.wvalid.eq(sending),
            axi.wlast.eq(beat == beats - 1),
            axi.bready.eq(1),
        ]
        # A word is promised from its slot to its answer, so `busy` falls only when memory has everything.
        m.d.sync += [
            promised.eq(promised + self.take - (answered & (promised != 0))),
            unanswered.eq(unanswered + begin - answered),
        ]
        with m.If(self.flush):
            m.d.sync += promised.eq(0)
        with m.If(axi.awready):
            m.d.sync += axi.awvalid.eq(0)
        with m.If(begin):
            m.d.sync += [
                axi.awvalid.eq(1),
                axi.awaddr.eq(self.base + (at << 6)),
                at.eq(at + 1),
                data.eq(words.r_data),
                sending.eq(1),
                beat.eq(0),
            ]
        with m.If(self.start):
            m.d.sync += at.eq(self.offset)
        with m.If(sending & axi.wready):
            m.d.sync += [data.eq(data >> bits), beat.eq(Mux(beat == beats - 1, 0, beat + 1))]
            with m.If(beat == beats - 1):
                m.d.sync += sending.eq(0)
        return m
