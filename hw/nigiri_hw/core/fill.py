"""The fill engine: changes the cached SubGraph while queries run."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.errors import ErrorCode
from nigiri.spec.residency import MAGIC
from nigiri_hw.core.layer import fill_layout
from nigiri_hw.core.request import CHUNK, Kind, WordBus, beyond, request_stream
from nigiri_hw.core.residency import Entry
from nigiri_hw.lib.multiply import soft_multiply

__all__ = ["FillEngine"]


class FillEngine(wiring.Component):
    """Works through a list of fill entries (nigiri.spec.residency).

    An entry first becomes non-resident, at a moment when the fetch unit takes nothing from a resident layer; then its
    words are copied, then it becomes resident in one cycle.  At most two requests are under way, and the read DMA
    serves every other unit first.  A failed list stays active until its last word has arrived, or until none has come
    for too long; it then takes a reset to start another.

    Members (selection)
    -------
    start, offset, count: the list.  active, done, error, index: progress and outcome; an error stops the list.
    late: nothing has moved for too long.
    hold, fetch_busy: interlock with the fetch unit.
    look, entry, wr_*: residency table.  bus: arriving words.  words: entries and weight words asked for, for counting.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        a = ceil_log2(config.layers)
        super().__init__(
            {
                "start": In(1),
                "offset": In(32),
                "count": In(32),
                "window_size": In(32),
                "late": In(1),
                "active": Out(1),
                "done": Out(1),
                "error": Out(ErrorCode),
                "index": Out(32),
                "hold": Out(1),
                "fetch_busy": In(1),
                "look": Out(a),
                "entry": In(Entry),
                "wr_en": Out(1),
                "wr_layer": Out(a),
                "wr_entry": Out(Entry),
                "request": request_stream(),
                "bus": In(WordBus),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self._config
        e = Signal(fill_layout())
        req = self.request
        size, box = Signal(38), Signal(22)
        merge = Signal()
        settle = Signal(3)
        row_words, w_block = Signal(22), Signal(32)
        m.d.sync += [
            box.eq(soft_multiply(e.in_blocks, e.taps)),
            size.eq(e.out_blocks * box),
            merge.eq(e.taps == e.w_taps),
            row_words.eq(Mux(merge, box, e.taps)),
            w_block.eq(soft_multiply(e.w_blocks, e.w_taps)),
        ]
        sound = (e.magic == MAGIC) & (e.layer < cfg.layers)
        box_ok = (
            (e.in_blocks != 0) & (e.taps != 0) & (e.taps <= e.w_taps) & (e.in_blocks <= e.w_blocks) & (e.taps <= 49)
        )
        in_range = (e.pb_base + size) <= cfg.pb_words
        scan = Signal(range(cfg.layers + 2))
        other = self.entry
        clash = other.valid & (other.base < e.pb_base + size) & (e.pb_base < other.base + other.size)
        ob, ib = Signal(16), Signal(16)
        # Wide enough not to wrap: every address is compared with the window before it is used.
        w_row, w_at, run_at, run_left, pb_at = Signal(34), Signal(34), Signal(34), Signal(22), Signal(20)
        chunk = Mux(run_left > CHUNK, CHUNK, run_left[:5])
        pending = Signal(7)
        asked, broken = Signal(), Signal()
        arrived = self.bus.valid & ((self.bus.kind == Kind.PERSISTENT) | (self.bus.kind == Kind.ENTRY))
        m.d.sync += pending.eq(pending + Mux(asked, req.p.count, 0) - arrived)
        m.d.comb += [self.look.eq(scan), self.wr_layer.eq(e.layer), req.p.tag.eq(self.index)]

        def fail(code):
            m.d.sync += self.error.eq(code)
            m.next = "FAILED"

        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [self.index.eq(0), self.error.eq(ErrorCode.NONE)]
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += settle.eq(0)
                m.d.comb += [req.p.offset.eq(self.offset + self.index), req.p.count.eq(1), req.p.kind.eq(Kind.ENTRY)]
                with m.If(self.index == self.count):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
                with m.Elif(beyond(self.offset + self.index, 1, self.window_size)):
                    fail(ErrorCode.WINDOW)
                with m.Else():
                    m.d.comb += req.valid.eq(1)
                    with m.If(req.ready):
                        m.d.comb += asked.eq(1)
                        m.next = "ENTRY"
                with m.If(self.late):
                    fail(ErrorCode.TIMEOUT)
            with m.State("ENTRY"):
                with m.If(self.bus.valid & (self.bus.kind == Kind.ENTRY)):
                    for n in range(8):
                        m.d.sync += e.as_value()[64 * n : 64 * n + 64].eq(self.bus.data[n])
                    m.next = "CHECK"
                    with m.If(self.bus.error):
                        fail(ErrorCode.AXI_READ)
                with m.If(self.late):
                    fail(ErrorCode.TIMEOUT)
            with m.State("CHECK"):
                m.d.sync += settle.eq(settle + 1)
                with m.If(settle == 4):
                    m.next = "HOLD"
                    with m.If(~sound | ((e.out_blocks != 0) & ~box_ok)):
                        fail(ErrorCode.FILL_ENTRY)
                    with m.Elif((e.out_blocks != 0) & ~in_range):
                        fail(ErrorCode.FILL_RANGE)
                m.d.sync += scan.eq(0)
            with m.State("HOLD"):
                m.d.comb += self.hold.eq(1)
                m.d.sync += settle.eq(0)
                with m.If(~self.fetch_busy):
                    m.d.comb += self.wr_en.eq(1)
                    m.next = "HELD"
                with m.If(self.late):
                    fail(ErrorCode.TIMEOUT)
            with m.State("HELD"):
                # The fetch unit sees the invalid entry two cycles after it is written.
                m.d.comb += self.hold.eq(1)
                m.d.sync += [settle.eq(settle + 1), scan.eq(0)]
                with m.If(settle == 3):
                    m.next = "SCAN"
                    with m.If(e.out_blocks == 0):
                        m.d.sync += self.index.eq(self.index + 1)
                        m.next = "NEXT"
            with m.State("SCAN"):
                m.d.sync += [
                    scan.eq(scan + 1),
                    broken.eq(0),
                    ob.eq(0),
                    ib.eq(0),
                    w_row.eq(e.mem_offset),
                    w_at.eq(e.mem_offset),
                    pb_at.eq(e.pb_base),
                ]
                with m.If((scan != 0) & clash):
                    fail(ErrorCode.FILL_OVERLAP)
                with m.Elif(scan == cfg.layers):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.sync += [run_at.eq(w_at), run_left.eq(row_words)]
                m.next = "COPY"
            with m.State("COPY"):
                m.d.comb += [
                    req.p.offset.eq(run_at),
                    req.p.count.eq(chunk),
                    req.p.kind.eq(Kind.PERSISTENT),
                    req.p.dest.eq(pb_at),
                ]
                with m.If(beyond(run_at, chunk, self.window_size)):
                    fail(ErrorCode.WINDOW)
                with m.Elif(pending <= CHUNK):
                    m.d.comb += req.valid.eq(1)
                    with m.If(req.ready):
                        m.d.comb += asked.eq(1)
                        m.d.sync += [run_at.eq(run_at + chunk), pb_at.eq(pb_at + chunk), run_left.eq(run_left - chunk)]
                        with m.If(run_left <= CHUNK):
                            m.next = "RUN"
                            m.d.sync += [ib.eq(ib + 1), w_at.eq(w_at + e.w_taps)]
                            with m.If(merge | (ib == e.in_blocks - 1)):
                                m.d.sync += [
                                    ib.eq(0),
                                    ob.eq(ob + 1),
                                    w_row.eq(w_row + w_block),
                                    w_at.eq(w_row + w_block),
                                ]
                                with m.If(ob == e.out_blocks - 1):
                                    m.next = "ARRIVE"
                with m.If(self.late):
                    fail(ErrorCode.TIMEOUT)
            with m.State("ARRIVE"):
                with m.If((pending == 0) & broken):
                    fail(ErrorCode.AXI_READ)
                with m.Elif(pending == 0):
                    m.d.comb += [self.wr_en.eq(1), self.wr_entry.valid.eq(1)]
                    m.d.sync += self.index.eq(self.index + 1)
                    m.next = "NEXT"
                with m.If(self.late):
                    fail(ErrorCode.TIMEOUT)
            with m.State("FAILED"):
                with m.If(self.start & (pending == 0)):
                    m.d.sync += [self.index.eq(0), self.error.eq(ErrorCode.NONE)]
                    m.next = "NEXT"
        m.d.comb += [
            self.wr_entry.out_blocks.eq(e.out_blocks),
            self.wr_entry.in_blocks.eq(e.in_blocks),
            self.wr_entry.taps.eq(e.taps),
            self.wr_entry.base.eq(e.pb_base),
            self.wr_entry.size.eq(size),
            self.active.eq(
                ~fsm.ongoing("IDLE") & ~(fsm.ongoing("FAILED") & ((pending == 0) | (self.error == ErrorCode.TIMEOUT)))
            ),
        ]
        with m.If(self.bus.valid & (self.bus.kind == Kind.PERSISTENT) & self.bus.error):
            m.d.sync += broken.eq(1)
        self.fsm, self.pending = fsm, pending                # proofs look at these
        return m
