"""LOAD: copies words from DRAM into the activation buffer."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.request import CHUNK, Kind, WordBus, request_stream

__all__ = ["Loader"]


class Loader(wiring.Component):
    """Asks for `words` words from `offset` and hands each to the activation buffer as eight pixel words.

    busy: from `start` until the last word has been written.
    """

    def __init__(self, config: AcceleratorConfig):
        a = ceil_log2(config.ab_words)
        # Where the next request begins, and the words not yet asked for; proofs look at them.
        self.next, self.left = Signal(32), Signal(20)
        super().__init__(
            {
                "start": In(1),
                "halt": In(1),
                "offset": In(32),
                "words": In(32),
                "dest": In(a),
                "tag": In(16),
                "busy": Out(1),
                "request": request_stream(),
                "bus": In(WordBus),
                "load_en": Out(1),
                "load_addr": Out(a),
                "load_words": Out(64).array(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        offset, left, dest, pending = self.next, self.left, Signal(20), Signal(20)
        req = self.request
        chunk = Mux(left > CHUNK, CHUNK, left[:5])
        arrived = self.bus.valid & (self.bus.kind == Kind.ACTIVATION)
        asked = Signal()
        m.d.comb += [
            asked.eq(req.valid & req.ready),
            req.valid.eq((left != 0) & ~self.halt),
            req.p.offset.eq(offset),
            req.p.count.eq(chunk),
            req.p.kind.eq(Kind.ACTIVATION),
            req.p.dest.eq(dest),
            req.p.tag.eq(self.tag),
            self.busy.eq(self.start | (left != 0) | (pending != 0)),
            self.load_en.eq(arrived),
            self.load_addr.eq(self.bus.dest << 3),
        ]
        m.d.comb += [self.load_words[n].eq(self.bus.data[n]) for n in range(8)]
        m.d.sync += pending.eq(pending + Mux(asked, chunk, 0) - arrived)
        with m.If(asked):
            m.d.sync += [offset.eq(offset + chunk), left.eq(left - chunk), dest.eq(dest + chunk)]
        with m.If(self.start):
            m.d.sync += [offset.eq(self.offset), left.eq(self.words), dest.eq(self.dest >> 3)]
        return m
