"""The fetch unit: brings tables and weights into the dynamic buffer, from the persistent buffer where it can."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_hw.core.check import DescriptorCheck
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.core.pbuf import RUN
from nigiri_hw.core.request import CHUNK, Kind, beyond, request_stream
from nigiri_hw.core.residency import Entry
from nigiri_hw.lib.multiply import soft_multiply

__all__ = ["FetchUnit"]


class FetchUnit(wiring.Component):
    """Runs ahead of the sequencer, descriptor by descriptor, as far as the rings have room.

    For every output block: one parameter word, then the block's weight words in order, into ring `ob` modulo the number
    of rings; tables into ring 0.  A run of words is a
    resident prefix, copied from the persistent buffer, and a rest, requested from DRAM.  Runs join when the layer is
    stored without gaps, so that bursts get long.

    The second operand of a product is a tensor of the program's own: its fetch begins when the sequencer has reached
    its descriptor, when all stores before it have been answered.

    Members (selection)
    -------
    desc_valid, desc, desc_pop: the descriptor at `index`.
    look, entry: reads the residency table; one cycle.
    reached: the sequencer works on descriptor `index`.
    busy: words of a resident layer may still be taken; `hold` keeps the next layer from starting.
    copy_*: a run of words for the persistent buffer's copy engines.
    head, free, alloc_*: of every ring.  A place in a ring (`request.dest`, `copy_pos`) carries its number above the
        position.
    failed, index: a transfer of descriptor `index` would leave the window; nothing more is fetched.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        r = ceil_log2(config.ring_words)
        count = range(config.ring_words + 1)
        rings = config.groups
        super().__init__(
            {
                "start": In(1),
                "halt": In(1),
                "index": Out(32),
                "reached": In(1),
                "failed": Out(1),
                "window_size": In(32),
                "desc_valid": In(1),
                "desc": In(descriptor_layout()),
                "desc_pop": Out(1),
                "look": Out(16),
                "entry": In(Entry),
                "busy": Out(1),
                "hold": In(1),
                "copy_busy": In(1),
                "head": In(r + 1).array(rings),
                "free": In(count).array(rings),
                "alloc_en": Out(rings),
                "alloc_count": Out(count),
                "request": request_stream(),
                "request_table": Out(1),
                "copy_valid": Out(1),
                "copy_ready": In(1),
                "copy_addr": Out(20),
                "copy_pos": Out(r + 2 + ceil_log2(rings)),
                "copy_count": Out(range(RUN + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self._config
        d = Signal(descriptor_layout())
        m.submodules.check = check = DescriptorCheck(cfg)
        m.d.comb += [check.layer.eq(d), self.look.eq(d.layer)]
        settle = Signal(3)
        ob, ib = Signal(16), Signal(16)
        entry = Signal(Entry)
        resident = Signal()
        merge = Signal()
        w_block, pb_block = Signal(32), Signal(22)
        w_step = Signal(16)
        product, transpose = (d.flags & Flag.PRODUCT).any(), (d.flags & Flag.TRANSPOSE).any()
        # Wide enough not to wrap: every address is compared with the window before it is used.
        w_row, w_at, pb_row, pb_at, run_pb = Signal(49), Signal(49), Signal(20), Signal(20), Signal(20)
        joint_words = Signal(22)
        near, far = Signal(22), Signal(22)

        # Facts of the layer, settled two cycles after the entry is latched.
        common = Signal(16)
        m.d.sync += [
            common.eq(Mux(d.in_blocks < entry.in_blocks, d.in_blocks, entry.in_blocks)),
            joint_words.eq(soft_multiply(common, check.taps)),
            merge.eq(((check.taps == d.w_taps) & (~resident | (entry.taps == check.taps))) | transpose),
            w_block.eq(Mux(product, Mux(transpose, d.w_taps, 1), soft_multiply(d.w_blocks, d.w_taps))),
            w_step.eq(Mux(transpose, 1, d.w_taps)),
            pb_block.eq(soft_multiply(entry.in_blocks, entry.taps)),
        ]
        row_resident = resident & (ob < entry.out_blocks)
        short = Mux(entry.taps < check.taps, entry.taps, check.taps)
        near_now = Mux(row_resident, Mux(merge, joint_words, Mux(ib < entry.in_blocks, short, 0)), 0)
        run_words = Mux(merge, check.run_words, check.taps)
        last_run = merge | (ib == d.in_blocks - 1)

        req = self.request
        ring = ob[: ceil_log2(cfg.groups)]
        head, free, alloc = Signal.like(self.head[0]), Signal.like(self.free[0]), Signal()
        with m.Switch(ring):
            for n in range(cfg.groups):
                with m.Case(n):
                    m.d.comb += [head.eq(self.head[n]), free.eq(self.free[n]), self.alloc_en[n].eq(alloc)]
        # A run may go over the end of the ring: the bit between position and ring takes the carry.
        place = Cat(head, Const(0, 1), ring)
        m.d.comb += [
            req.p.kind.eq(Mux(transpose & ~self.request_table, Kind.TRANSPOSED, Kind.DYNAMIC)),
            req.p.dest.eq(place),
            req.p.tag.eq(self.index),
            self.copy_pos.eq(place),
            self.copy_addr.eq(run_pb),
        ]
        near_chunk = Mux(near > RUN, RUN, near[:7])
        far_chunk = Mux(far > CHUNK, CHUNK, far[:5])
        m.d.comb += self.copy_count.eq(near_chunk)

        def ask(offset, count, following):
            """Request `count` words at `offset` for the head of the ring, then go on in `following`."""
            m.d.comb += [req.p.offset.eq(offset), req.p.count.eq(count)]
            with m.If(beyond(offset, count, self.window_size)):
                m.next = "FAILED"
            with m.Elif((free >= count) & ~self.halt):
                m.d.comb += req.valid.eq(1)
                with m.If(req.ready):
                    m.d.comb += [alloc.eq(1), self.alloc_count.eq(count)]
                    following()

        def next_run():
            """After a run: the next input block, output block or descriptor."""
            m.d.sync += [ib.eq(ib + 1), w_at.eq(w_at + w_step), pb_at.eq(pb_at + entry.taps)]
            with m.If(last_run):
                m.d.sync += [ib.eq(0), ob.eq(ob + 1), w_row.eq(w_row + w_block), pb_row.eq(pb_row + pb_block)]
                m.next = "PARAMS"
                with m.If(ob == d.out_blocks - 1):
                    m.next = "POP"
            with m.Else():
                m.next = "RUN"

        run_at = Signal(49)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += self.index.eq(0)
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += settle.eq(0)
                with m.If(self.start):
                    m.d.sync += self.index.eq(0)
                with m.Elif(self.desc_valid & ~self.halt):
                    m.d.sync += d.eq(self.desc)
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += settle.eq(settle + 1)
                with m.If(settle == 3):
                    with m.If(~check.ok):
                        m.next = "STOPPED"
                    with m.Elif(d.opcode != Opcode.CONV):
                        m.next = "POP"
                    with m.Elif(Mux(product, self.reached, ~self.hold)):
                        m.d.sync += [entry.eq(self.entry), resident.eq(self.entry.valid & ~product), settle.eq(0)]
                        m.next = "SETUP"
                    with m.Else():
                        m.d.sync += settle.eq(3)
            with m.State("SETUP"):
                m.d.sync += [settle.eq(settle + 1), ob.eq(0), ib.eq(0), w_row.eq(d.mem_offset), pb_row.eq(entry.base)]
                with m.If(settle == 2):
                    m.next = "PARAMS"
                    with m.If((d.flags & Flag.TABLE).any()):
                        m.next = "TABLE"
            with m.State("TABLE"):
                m.d.comb += self.request_table.eq(1)

                def to_params():
                    m.next = "PARAMS"

                ask(d.table_offset, 4, to_params)
            with m.State("PARAMS"):
                m.d.comb += self.request_table.eq(1)
                m.d.sync += [w_at.eq(w_row), pb_at.eq(pb_row)]

                def to_run():
                    m.next = "RUN"

                ask(d.param_offset + ob, 1, to_run)
            with m.State("RUN"):
                m.d.sync += [
                    near.eq(near_now),
                    far.eq(run_words - near_now),
                    run_at.eq(w_at + near_now),
                    run_pb.eq(pb_at),
                ]
                m.next = "FAR"
                with m.If(near_now != 0):
                    m.next = "NEAR"
            with m.State("NEAR"):
                with m.If((free >= near_chunk) & ~self.halt):
                    m.d.comb += self.copy_valid.eq(1)
                    with m.If(self.copy_ready):
                        m.d.comb += [alloc.eq(1), self.alloc_count.eq(near_chunk)]
                        m.d.sync += [near.eq(near - near_chunk), run_pb.eq(run_pb + near_chunk)]
                        with m.If(near <= RUN):
                            with m.If(far != 0):
                                m.next = "FAR"
                            with m.Else():
                                next_run()
            with m.State("FAR"):

                def more():
                    m.d.sync += [far.eq(far - far_chunk), run_at.eq(run_at + far_chunk)]
                    with m.If(far <= CHUNK):
                        next_run()

                ask(run_at, far_chunk, more)
            with m.State("POP"):
                m.d.comb += self.desc_pop.eq(1)
                m.d.sync += self.index.eq(self.index + 1)
                m.next = "NEXT"
            with m.State("FAILED"):
                m.d.comb += self.failed.eq(1)
            with m.State("STOPPED"):
                pass
        taking = resident & ~(fsm.ongoing("IDLE") | fsm.ongoing("NEXT") | fsm.ongoing("CHECK") | fsm.ongoing("STOPPED"))
        m.d.comb += self.busy.eq(taking | self.copy_busy)
        self.fsm, self.resident = fsm, resident              # proofs look at these
        return m
