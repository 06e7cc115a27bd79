"""Requantisation: accumulators to int8, table activation, residual addition, clamp.

The arithmetic of a value is in requant_lane; here are the tile register, the queues and the schedule.
"""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.core.requant_lane import LATENCY, RequantLane
from nigiri_hw.lib.util import delay, half_of

__all__ = ["LATENCY", "Requantiser"]


class Requantiser(wiring.Component):
    """Takes tiles of P pixels x 8 channels, drains `requant_pixels` pixels at a time.

    Timing: a group leaves every `interval` cycles, from the cycle after `capture`; the sequencer spaces tiles so that
    a new one never comes before the previous has left.
    Resources: per value (8 x requant_pixels) one 32 x 16 and two 9 x 16 multipliers and a 256-byte LUT RAM.

    Members
    -------
    layer: descriptor of the running layer; stable while tiles are under way.
    interval: cycles from one group to the next, 1 or more.
    capture, new_block, acc: a finished tile; `new_block` takes the next parameters from the queue.
    params_en, params: a parameter word (8 x 64 bits) enters the queue.
    residual_en, residual: P residual pixel words enter the queue, one entry per tile.
    table_en, table_addr, table_words: 8 bytes of the activation table.
    valid, pixels: a drained group of int8 pixel words.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        p, g = config.lanes, config.requant_pixels
        super().__init__(
            {
                "layer": In(descriptor_layout()),
                "interval": In(5),
                "capture": In(1),
                "new_block": In(1),
                "acc": In(signed(32)).array(p, 8),
                "params_en": In(1),
                "params": In(64).array(8),
                "residual_en": In(1),
                "residual": In(64).array(p),
                "table_en": In(1),
                "table_addr": In(5),
                "table_words": In(64),
                "valid": Out(1),
                "pixels": Out(64).array(g),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, g = self._config.lanes, self._config.requant_pixels
        layer = self.layer

        m.submodules.params = params = SyncFIFO(width=512, depth=8)
        m.submodules.residuals = residuals = SyncFIFO(width=64 * p, depth=8)
        has_residual = (layer.flags & Flag.RESIDUAL).any()
        m.d.comb += [
            params.w_data.eq(Cat(*self.params)),
            params.w_en.eq(self.params_en),
            params.r_en.eq(self.capture & self.new_block),
            residuals.w_data.eq(Cat(*self.residual)),
            residuals.w_en.eq(self.residual_en),
            residuals.r_en.eq(self.capture & has_residual),
        ]
        bias = [Signal(signed(32), name=f"bias{c}") for c in range(8)]
        mult = [Signal(16, name=f"mult{c}") for c in range(8)]
        shift = [Signal(6, name=f"shift{c}") for c in range(8)]
        half = [Signal(63, name=f"half{c}") for c in range(8)]
        with m.If(self.capture & self.new_block):
            for c in range(8):
                word = params.r_data.word_select(c, 64)
                m.d.sync += [
                    bias[c].eq(word[:32].as_signed()),
                    mult[c].eq(word[32:48]),
                    shift[c].eq(word[48:54]),
                    half[c].eq(half_of(word[48:54])),
                ]

        # The tile register shifts down by one group each time a group leaves.
        tile = [[Signal(signed(32), name=f"tile{n}_{c}") for c in range(8)] for n in range(p)]
        res = [Signal(64, name=f"res{n}") for n in range(p)]
        left = Signal(range(p // g + 1))
        pause = Signal(5)
        leave = Signal()
        m.d.comb += leave.eq((left != 0) & (pause == 0))
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(leave):
            m.d.sync += [left.eq(left - 1), pause.eq(self.interval - 1)]
            for n in range(p - g):
                m.d.sync += res[n].eq(res[n + g])
                m.d.sync += [tile[n][c].eq(tile[n + g][c]) for c in range(8)]
        with m.If(self.capture):
            m.d.sync += [left.eq(p // g), pause.eq(0)]
            for n in range(p):
                m.d.sync += res[n].eq(residuals.r_data.word_select(n, 64))
                m.d.sync += [tile[n][c].eq(self.acc[n][c]) for c in range(8)]

        mult_1 = [delay(m, mult[c], 1, f"mult{c}") for c in range(8)]
        shift_2 = [delay(m, shift[c], 2, f"shift{c}") for c in range(8)]
        half_2 = [delay(m, half[c], 2, f"half{c}") for c in range(8)]
        half_y = Signal(63)
        m.d.sync += half_y.eq(half_of(layer.res_shift))
        use_table = Signal()
        use_residual = Signal()
        m.d.sync += [use_table.eq((layer.flags & Flag.TABLE).any()), use_residual.eq(has_residual)]

        for n in range(g):
            residual = delay(m, res[n], 6, f"res{n}")
            for c in range(8):
                m.submodules[f"lane_{n}_{c}"] = lane = RequantLane()
                m.d.comb += [
                    lane.acc.eq(tile[n][c]),
                    lane.bias.eq(bias[c]),
                    lane.mult.eq(mult_1[c]),
                    lane.half.eq(half_2[c]),
                    lane.shift.eq(shift_2[c]),
                    lane.zp_out.eq(layer.zp_out),
                    lane.use_table.eq(use_table),
                    lane.table_en.eq(self.table_en),
                    lane.table_addr.eq(self.table_addr),
                    lane.table_words.eq(self.table_words),
                    lane.use_residual.eq(use_residual),
                    lane.residual.eq(residual.word_select(c, 8)),
                    lane.zp_y.eq(layer.zp_y),
                    lane.zp_res.eq(layer.zp_res),
                    lane.zp_sum.eq(layer.zp_sum),
                    lane.mult_y.eq(layer.res_mult_y),
                    lane.mult_r.eq(layer.res_mult_r),
                    lane.res_half.eq(half_y),
                    lane.res_shift.eq(layer.res_shift),
                    lane.act_min.eq(layer.act_min),
                    lane.act_max.eq(layer.act_max),
                    self.pixels[n].word_select(c, 8).eq(lane.value),
                ]
        m.d.comb += self.valid.eq(delay(m, leave, LATENCY, "leave"))
        return m
