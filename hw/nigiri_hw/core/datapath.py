"""The compute pipeline: activation buffer, operand masks, array, requantisation, write-back, behind issued slots.

Cycle of a slot: 0 issue, 2 address and masks, 5 window and weight word, 6..10 array, 11 tile register, then the
requantiser and write-back.  Nothing in it waits.
"""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri.spec.layout import slot_mask
from nigiri_hw.core import address as address_unit
from nigiri_hw.core import array
from nigiri_hw.core.actbuf import LATENCY as BUFFER_LATENCY
from nigiri_hw.core.actbuf import ActivationBuffer
from nigiri_hw.core.address import AddressUnit
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.core.requant import Requantiser
from nigiri_hw.core.sequencer import Slot
from nigiri_hw.core.writeback import WriteBack
from nigiri_hw.lib.util import delay

__all__ = ["Datapath"]

ARRIVAL = address_unit.LATENCY + BUFFER_LATENCY
"""Cycles from a slot to its window and weight word."""


class Datapath(wiring.Component):
    """Everything between an issued slot and the activation buffer.  See the module's head for the timing."""

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        a, r, rings = ceil_log2(config.ab_words), ceil_log2(config.ring_words), config.groups
        super().__init__(
            {
                "layer": In(descriptor_layout()),
                "out_w": In(10),
                "pixels": In(20),
                "interval": In(6),
                "slot": In(Slot),
                "slot_last": In(1),
                "slot_first": In(1),
                "slot_block_first": In(1),
                "slot_image_first": In(1),
                "slot_block_end": In(1),
                "slot_tap": In(6),
                "slot_parity": In(1),
                "slot_base": In(a),
                "slot_word": In(r).array(rings),
                "slot_table": In(2),
                "slot_ring": In(2),
                "slot_group": In(2),
                "slot_group_last": In(1),
                "coords_setup": In(1),
                "coords_busy": Out(1),
                "layer_start": In(1),
                "tile_done": Out(1),
                "pool_done": Out(1),
                "word_addr": Out(r).array(rings),
                "word": In(64).array(rings, 8),
                "load_en": In(1),
                "load_addr": In(a),
                "load_words": In(64).array(8),
                "store_en": Out(1),
                "store_words": Out(64).array(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, d = self._config, self.layer
        p, rings = cfg.lanes, cfg.groups
        m.submodules.address = addr = AddressUnit(cfg)
        m.submodules.actbuf = ab = ActivationBuffer(cfg)
        m.submodules.requant = rq = Requantiser(cfg)
        m.submodules.writeback = wb = WriteBack(cfg)

        is_step = self.slot == Slot.STEP
        m.d.comb += [
            addr.layer.eq(d),
            addr.out_w.eq(self.out_w),
            addr.setup.eq(self.coords_setup),
            self.coords_busy.eq(addr.busy),
            addr.step.eq(is_step),
            addr.last.eq(self.slot_last),
            addr.block_end.eq(self.slot_block_end),
            addr.tap.eq(self.slot_tap),
            addr.parity.eq(self.slot_parity),
            addr.base.eq(self.slot_base),
            ab.addr.eq(addr.addr),
            ab.load_en.eq(self.load_en),
            ab.load_addr.eq(self.load_addr),
        ]
        m.d.comb += [ab.load_words[n].eq(self.load_words[n]) for n in range(8)]

        # The slot travels along; the weight words are read one cycle before they are needed beside the window.
        for n in range(rings):
            m.d.comb += self.word_addr[n].eq(delay(m, self.slot_word[n], ARRIVAL - 2, f"slot_word{n}"))
        first_ring = delay(m, self.slot_ring, ARRIVAL - 1, "slot_ring")
        group_early = delay(m, self.slot_group, ARRIVAL - 1, "slot_group")
        group = delay(m, group_early, 1, "slot_group_now")
        group_last = delay(m, self.slot_group_last, ARRIVAL, "slot_group_last")
        # quarters[q] is the word of the output block that the lanes of part q work on; the first serves all slots
        # that want one word.
        quarters = []
        single = Signal(range(max(2, rings)))
        m.d.comb += single.eq(first_ring + group_early)
        for q in range(rings):
            step_ring = Signal(range(max(2, rings)), name=f"ring_of_part{q}")
            m.d.comb += step_ring.eq(first_ring)
            if rings > 1:
                with m.If(d.split == 1):
                    m.d.comb += step_ring.eq(first_ring + (q * 2) // rings)
                with m.If(d.split == 2):
                    m.d.comb += step_ring.eq(q)
            quarters.append([Signal(64, name=f"word{q}_{n}") for n in range(8)])
            with m.Switch(step_ring):
                for k in range(rings):
                    with m.Case(k):
                        m.d.sync += [quarters[q][n].eq(self.word[k][n]) for n in range(8)]
        slot = delay(m, self.slot, ARRIVAL, "slot")
        word = [Signal(64, name=f"word_{n}") for n in range(8)]
        if rings == 1:
            m.d.comb += [word[n].eq(quarters[0][n]) for n in range(8)]
        else:
            with m.Switch(single):
                for k in range(rings):
                    with m.Case(k):
                        m.d.sync += [word[n].eq(self.word[k][n]) for n in range(8)]
        last = delay(m, self.slot_last & is_step, ARRIVAL, "slot_last")
        first = delay(m, self.slot_first, ARRIVAL, "slot_first")
        block_first = delay(m, self.slot_block_first, ARRIVAL, "slot_block_first")
        image_first = delay(m, self.slot_image_first, ARRIVAL, "slot_image_first")
        parity = delay(m, self.slot_parity, ARRIVAL, "slot_parity")
        table_word = delay(m, self.slot_table, ARRIVAL, "slot_table")
        dense_valid = delay(m, addr.dense_valid, BUFFER_LATENCY, "dense_valid")
        dw_valid = [delay(m, addr.dw_valid[n], BUFFER_LATENCY, f"dw_valid{n}") for n in range(p)]

        # Columns of a depthwise word outside the kernel or of the other parity count as zero.
        depthwise, stride2 = Signal(), Signal()
        m.d.comb += [depthwise.eq((d.flags & Flag.DEPTHWISE).any()), stride2.eq((d.flags & Flag.STRIDE2).any())]
        columns = Signal(8)
        m.d.comb += columns.eq(0xFF)
        with m.If(depthwise):
            for k in (1, 3, 5, 7):
                with m.If(d.kernel == k):
                    m.d.comb += columns.eq(
                        Mux(stride2, Mux(parity, slot_mask(2, k, 1), slot_mask(2, k, 0)), slot_mask(1, k))
                    )
        weights = [[Signal(64, name=f"weights{q}_{o}") for o in range(8)] for q in range(rings)]
        for q in range(rings):
            for o in range(8):
                for i in range(8):
                    byte = quarters[q][o].word_select(i, 8)
                    m.d.comb += weights[q][o].word_select(i, 8).eq(Mux(columns[i], byte, 0))

        step_en = slot == Slot.STEP
        zero = Signal(8)
        m.d.comb += zero.eq(d.zp_in)
        maximum = Signal()
        m.d.comb += maximum.eq((d.flags & Flag.MAXIMUM).any())

        def shared_pixel(n):
            """The window's pixel for lane n: every lane group reads the same ones."""
            value = ab.window[n]
            for k in range(1, ceil_log2(rings) + 1):
                if n >= p >> k:
                    value = Mux(d.split == k, ab.window[n % (p >> k)], value)
            return value

        blank = Signal(64)
        m.d.comb += [blank.word_select(c, 8).eq(zero) for c in range(8)]
        for n in range(0, p, 2):
            m.submodules[f"pair_{n // 2}"] = pair = array.LanePair()
            m.d.comb += [
                pair.depthwise.eq(depthwise),
                pair.zero_point.eq(zero),
                pair.en.eq(step_en),
                pair.first.eq(first),
            ]
            m.d.comb += [pair.weights[o].eq(weights[n * rings // p][o]) for o in range(8)]
            for j in range(8):
                m.d.comb += pair.window[j].eq(ab.window[n + j] if n + j < p + 6 else Const(0, 64))
            for k in range(2):
                if n + k < p:
                    pixel = Signal(64, name=f"pixel{n + k}")
                    m.d.comb += [
                        pixel.eq(Mux(dense_valid[n + k], shared_pixel(n + k), blank)),
                        pair.dense[k].eq(pixel),
                        pair.dw_valid[k].eq(dw_valid[n + k]),
                    ]
                    m.submodules[f"max_{n + k}"] = best = array.MaxLane()
                    m.d.comb += [
                        best.pixel.eq(pixel),
                        best.en.eq(step_en & maximum),
                        best.first.eq(first),
                        best.last.eq(last),
                    ]
                    m.d.comb += [
                        rq.acc[n + k][c].eq(
                            Mux(maximum, best.best.word_select(c, 8).as_signed(), pair.acc[8 * k + c])
                        )
                        for c in range(8)
                    ]

        # The sums stand in the accumulators LATENCY cycles after the operands; the tile register takes them then.
        m.d.comb += [
            rq.layer.eq(d),
            rq.interval.eq(self.interval),
            rq.capture.eq(delay(m, last, array.LATENCY, "capture")),
            rq.new_block.eq(delay(m, block_first, array.LATENCY, "new_block")),
            rq.new_image.eq(delay(m, image_first, array.LATENCY, "new_image")),
            rq.params_en.eq(slot == Slot.PARAMS),
            rq.residual_en.eq(slot == Slot.RESIDUAL),
            rq.scale_en.eq(slot == Slot.SCALE),
            rq.scale.eq(ab.window[0]),
            rq.group.eq(group),
            rq.group_last.eq(group_last),
        ]
        m.d.comb += [rq.params[n].eq(word[n]) for n in range(8)]
        m.d.comb += [rq.residual[n].eq(ab.window[n]) for n in range(p)]

        # A table word is 64 entries: eight lines of eight.
        table, lines, table_base = [Signal(64, name=f"table{n}") for n in range(8)], Signal(4), Signal(2)
        with m.If(slot == Slot.TABLE):
            m.d.sync += [lines.eq(8), table_base.eq(table_word)]
            m.d.sync += [table[n].eq(word[n]) for n in range(8)]
        with m.Elif(lines != 0):
            m.d.sync += lines.eq(lines - 1)
            m.d.sync += [table[n].eq(table[n + 1]) for n in range(7)]
        m.d.comb += [
            rq.table_en.eq(lines != 0),
            rq.table_addr.eq((table_base << 3) + (8 - lines)),
            rq.table_words.eq(table[0]),
        ]

        m.d.comb += [
            wb.layer.eq(d),
            wb.out_w.eq(self.out_w),
            wb.pixels.eq(self.pixels),
            wb.start.eq(self.layer_start),
            wb.valid.eq(rq.valid),
            self.tile_done.eq(wb.tile_done),
            self.pool_done.eq(wb.pool_done),
        ]
        m.d.comb += [wb.group[n].eq(rq.pixels[n]) for n in range(cfg.requant_pixels)]
        for g in range(2):
            m.d.comb += [ab.wr_start[g].eq(wb.wr_start[g]), ab.wr_count[g].eq(wb.wr_count[g])]
            m.d.comb += [ab.wr_words[g][k].eq(wb.wr_words[g][k]) for k in range(ab.half)]

        m.d.comb += self.store_en.eq(slot == Slot.STORE)
        m.d.comb += [self.store_words[n].eq(ab.window[n]) for n in range(8)]
        return m
