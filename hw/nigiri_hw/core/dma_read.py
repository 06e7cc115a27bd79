"""Read DMA: requests of words become bursts on the AXI4 read ports; arriving beats become words."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.request import Kind, Request, WordBus
from nigiri_hw.lib.axi import ReadPort

__all__ = ["ReadDMA", "ReadLane"]

OUTSTANDING = 8


class Burst(data.Struct):
    """A piece of a request that one AXI burst can carry."""

    offset: 32
    count: 3
    kind: Kind
    dest: 20
    tag: 16


class ReadLane(wiring.Component):
    """One AXI4 read port.  Up to OUTSTANDING bursts under way; beats are gathered into 64-byte words.

    `flush` drops bursts not yet sent; beats of sent ones are taken and dropped.  idle: nothing is under way.
    """

    def __init__(self, bits: int):
        self._bits = bits
        width = data.Layout.cast(Burst).size
        # Proofs look at these.
        self.waiting, self.sent = SyncFIFO(width=width, depth=4), SyncFIFO(width=width, depth=OUTSTANDING)
        super().__init__(
            {
                "burst": In(stream.Signature(Burst)),
                "base": In(64),
                "flush": In(1),
                "idle": Out(1),
                "axi": Out(ReadPort(bits)),
                "word": Out(stream.Signature(data.StructLayout({"kind": Kind, "dest": 20, "tag": 16, "error": 1}))),
                "data": Out(64).array(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beats = 512 // self._bits
        m.submodules.waiting = waiting = self.waiting
        m.submodules.sent = sent = self.sent
        axi = self.axi
        m.d.comb += [
            waiting.w_data.eq(self.burst.payload),
            waiting.w_en.eq(self.burst.valid & ~self.flush),
            self.burst.ready.eq(waiting.w_rdy),
        ]

        # Addresses.
        head = Signal(Burst)
        m.d.comb += head.as_value().eq(waiting.r_data)
        take = Signal()
        m.d.comb += [
            take.eq(waiting.r_rdy & sent.w_rdy & (~axi.arvalid | axi.arready) & ~self.flush),
            waiting.r_en.eq(take | self.flush),
            sent.w_en.eq(take),
            sent.w_data.eq(head),
        ]
        with m.If(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        with m.If(take):
            m.d.sync += [
                axi.arvalid.eq(1),
                axi.araddr.eq(self.base + (head.offset << 6)),
                axi.arlen.eq(head.count * beats - 1),
            ]
        m.d.comb += [axi.arsize.eq(ceil_log2(self._bits // 8)), axi.arburst.eq(1), axi.arcache.eq(0b0011)]

        # Beats.
        current = Signal(Burst)
        m.d.comb += current.as_value().eq(sent.r_data)
        beat, index = Signal(range(beats)), Signal(3)
        parts = Signal(512 - self._bits)
        failed = Signal()
        last_beat = beat == beats - 1
        free = ~self.word.valid | self.word.ready
        m.d.comb += axi.rready.eq(sent.r_rdy & (~last_beat | free | self.flush))
        moved = axi.rvalid & axi.rready
        bad = axi.rresp[1]
        with m.If(self.word.ready):
            m.d.sync += self.word.valid.eq(0)
        with m.If(moved):
            m.d.sync += [beat.eq(beat + 1), failed.eq(Mux(last_beat, 0, failed | bad))]
            for n in range(beats - 1):
                with m.If(beat == n):
                    m.d.sync += parts[n * self._bits : (n + 1) * self._bits].eq(axi.rdata)
            with m.If(last_beat):
                whole = Cat(parts, axi.rdata)
                m.d.sync += [
                    self.word.valid.eq(~self.flush),
                    self.word.p.kind.eq(current.kind),
                    self.word.p.dest.eq(current.dest + index),
                    self.word.p.tag.eq(current.tag),
                    self.word.p.error.eq(failed | bad),
                    index.eq(index + 1),
                ]
                m.d.sync += [self.data[n].eq(whole[64 * n : 64 * n + 64]) for n in range(8)]
                with m.If(index == current.count - 1):
                    m.d.comb += sent.r_en.eq(1)
                    m.d.sync += index.eq(0)
        with m.If(self.flush):
            m.d.sync += self.word.valid.eq(0)
        m.d.comb += self.idle.eq(~waiting.r_rdy & ~sent.r_rdy & ~axi.arvalid & ~self.word.valid)
        return m


class ReadDMA(wiring.Component):
    """Splits requests into bursts of at most 16 beats that do not cross a burst's own size (so never 4 KiB), deals them
    out to the ports in turn, and merges the arriving words into one bus, one word a cycle.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        # The request being split, and the ports; proofs look at these.
        self.splitting, self.offset, self.left = Signal(), Signal(32), Signal(5)
        self.lanes = [ReadLane(config.port_bits) for _ in range(config.ports)]
        super().__init__(
            {
                "request": In(stream.Signature(Request)),
                "base": In(64),
                "flush": In(1),
                "idle": Out(1),
                "axi": Out(ReadPort(config.port_bits)).array(config.ports),
                "bus": Out(WordBus),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self._config
        most, ports = cfg.burst_words, cfg.ports
        lanes = self.lanes
        for n, lane in enumerate(lanes):
            m.submodules[f"lane_{n}"] = lane
            wiring.connect(m, wiring.flipped(self.axi[n]), lane.axi)
            m.d.comb += [lane.base.eq(self.base), lane.flush.eq(self.flush)]

        busy, offset, left, dest = self.splitting, self.offset, self.left, Signal(20)
        kind, tag = Signal(Kind), Signal(16)
        turn = Signal(range(max(2, ports)))
        room = most - offset[: ceil_log2(most)]
        count = Mux(left < room, left, room)
        dealt = Signal()
        for n, lane in enumerate(lanes):
            b = lane.burst
            m.d.comb += [
                b.p.offset.eq(offset),
                b.p.count.eq(count),
                b.p.kind.eq(kind),
                b.p.dest.eq(dest),
                b.p.tag.eq(tag),
                b.valid.eq(busy & (turn == n)),
            ]
            with m.If(b.valid & b.ready):
                m.d.comb += dealt.eq(1)
        with m.If(dealt):
            m.d.sync += [
                offset.eq(offset + count),
                left.eq(left - count),
                dest.eq(dest + count),
                turn.eq(Mux(turn == ports - 1, 0, turn + 1)),
            ]
        # A waiting request follows the last piece of the one before without a gap.
        m.d.comb += self.request.ready.eq(~busy | (dealt & (left == count)))
        with m.If(self.request.ready):
            p = self.request.p
            m.d.sync += [
                busy.eq(self.request.valid),
                offset.eq(p.offset),
                left.eq(p.count),
                dest.eq(p.dest),
                kind.eq(p.kind),
                tag.eq(p.tag),
            ]
        with m.If(self.flush):
            m.d.sync += busy.eq(0)

        # One word a cycle from the ports, in turn.
        serve = Signal(range(max(2, ports)))
        chosen = Signal(range(max(2, ports)))
        for k in reversed(range(ports)):
            for s in range(ports):
                n = (s + k) % ports
                with m.If((serve == s) & lanes[n].word.valid):
                    m.d.comb += chosen.eq(n)
        m.d.sync += self.bus.valid.eq(0)
        for n, lane in enumerate(lanes):
            with m.If((chosen == n) & lane.word.valid):
                m.d.comb += lane.word.ready.eq(1)
                m.d.sync += [
                    self.bus.valid.eq(~self.flush),
                    self.bus.kind.eq(lane.word.p.kind),
                    self.bus.dest.eq(lane.word.p.dest),
                    self.bus.tag.eq(lane.word.p.tag),
                    self.bus.error.eq(lane.word.p.error),
                    serve.eq((n + 1) % ports),
                ]
                m.d.sync += [self.bus.data[k].eq(lane.data[k]) for k in range(8)]
        m.d.comb += self.idle.eq(~busy & ~self.bus.valid & Cat(*(lane.idle for lane in lanes)).all())
        return m
