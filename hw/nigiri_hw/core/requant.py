"""Requantisation: accumulators to int8, table activation, residual addition, clamp.

The arithmetic of a value is in requant_lane; here are the tile register, the queues and the schedule.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.core.requant_lane import LATENCY, PRODUCT_BITS, SUM_BITS
from nigiri_hw.core.requant_pixel import RequantPixel
from nigiri_hw.lib.multiply import scarce, soft_multiply
from nigiri_hw.lib.util import delay, half_of

__all__ = ["LATENCY", "Requantiser"]

FACTOR_AT = 6
"""Stage of a requantiser lane that takes its own value's multiplier; it takes the residual one before."""


class Requantiser(wiring.Component):
    """Takes tiles of P pixels x 8 channels, drains `requant_pixels` pixels at a time; where the lanes work on several
    output blocks, no more than those of one.

    Timing: pixels leave every `interval` cycles, from the cycle after `capture`; the sequencer spaces tiles so that
    a new one never comes before the previous has left.
    Resources: per value (8 x requant_pixels) one 32 x 16 and two 9 x 16 multipliers and a 256-byte LUT RAM.

    Members
    -------
    layer: descriptor of the running layer; stable while tiles are under way.
    interval: cycles from one drain to the next, 1 or more.
    capture, new_block, new_image, acc: a finished tile; `new_block` takes the next parameters from the queues, and
        `new_image` the next gates.
    group, group_last: which of the set's output blocks `params` or `residual` is for; it is the set's last.
    params_en, params: a parameter word (8 x 64 bits) enters the queue.
    residual_en, residual: P residual pixel words; those of all blocks of the set enter the queue as one entry per tile.
    scale_en, scale: the gate codes of 8 channels enter the queue, one entry per output block and image.
    table_en, table_addr, table_words: 8 bytes of the activation table.
    valid, pixels: a drained group of int8 pixel words.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        p, g = config.lanes, config.requant_pixels
        super().__init__(
            {
                "layer": In(descriptor_layout()),
                "interval": In(6),
                "capture": In(1),
                "new_block": In(1),
                "new_image": In(1),
                "acc": In(signed(32)).array(p, 8),
                "group": In(2),
                "group_last": In(1),
                "scale_en": In(1),
                "scale": In(64),
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
        p, g, rings = self._config.lanes, self._config.requant_pixels, self._config.groups
        layer = self.layer

        residual_on, scale_on = (layer.flags & Flag.RESIDUAL).any(), (layer.flags & Flag.SCALE).any()

        # Residuals: a set's blocks arrive one after the other, each for its own lanes.
        waiting = [Signal(64, name=f"waiting{n}", reset_less=True) for n in range(p)]
        arriving = []
        for n in range(p):
            pixel, mine = self.residual[n], Const(1, 1)
            for k in range(1, rings.bit_length()):
                pixel = Mux(layer.split == k, self.residual[n % (p >> k)], pixel)
                mine = Mux(layer.split == k, self.group == n // (p >> k), mine)
            value = Mux(mine, pixel, waiting[n])
            arriving.append(value)
            with m.If(self.residual_en):
                m.d.sync += waiting[n].eq(value)
        m.submodules.residuals = residuals = SyncFIFO(width=64 * p, depth=8)
        m.submodules.scales = scales = SyncFIFO(width=64, depth=8)
        m.d.comb += [
            residuals.w_data.eq(Cat(*arriving)),
            residuals.w_en.eq(self.residual_en & self.group_last),
            residuals.r_en.eq(self.capture & residual_on),
            scales.w_data.eq(self.scale),
            scales.w_en.eq(self.scale_en),
            scales.r_en.eq(self.capture & self.new_image & scale_on),
        ]

        # Parameters: a queue for each of a set's blocks; queues of absent blocks stay empty.
        bias = [[Signal(signed(32), name=f"bias{k}_{c}") for c in range(8)] for k in range(rings)]
        mult = [[Signal(16, name=f"mult{k}_{c}") for c in range(8)] for k in range(rings)]
        shift = [[Signal(6, name=f"shift{k}_{c}") for c in range(8)] for k in range(rings)]
        codes = Signal(64)
        for k in range(rings):
            m.submodules[f"params_{k}"] = params = SyncFIFO(width=512, depth=8)
            m.d.comb += [
                params.w_data.eq(Cat(*self.params)),
                params.w_en.eq(self.params_en & (self.group == k)),
                params.r_en.eq(self.capture & self.new_block),
            ]
            with m.If(self.capture & self.new_block):
                for c in range(8):
                    word = params.r_data.word_select(c, 64)
                    m.d.sync += [
                        bias[k][c].eq(word[:32].as_signed()),
                        mult[k][c].eq(word[32:48]),
                        shift[k][c].eq(word[48:54]),
                    ]
        with m.If(self.capture & self.new_image):
            m.d.sync += codes.eq(scales.r_data)

        # The tile register shifts down each time pixels leave; a block of half as many leaves from the upper half, too.
        tile = [[Signal(signed(32), name=f"tile{n}_{c}", reset_less=True) for c in range(8)] for n in range(p)]
        res = [Signal(64, name=f"res{n}", reset_less=True) for n in range(p)]
        count = max(p // g, 4)
        left, turn = Signal(range(count + 1)), Signal(2)
        pause = Signal(6)
        leave, upper = Signal(), Signal()
        quarter = Signal()
        m.d.comb += [
            leave.eq((left != 0) & (pause == 0)),
            quarter.eq(layer.split == 2),
            upper.eq(quarter & turn[0]),
        ]
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(leave):
            m.d.sync += [left.eq(left - 1), turn.eq(turn + 1), pause.eq(self.interval - 1)]
            with m.If(~quarter | upper):
                for n in range(p - g):
                    m.d.sync += res[n].eq(res[n + g])
                    m.d.sync += [tile[n][c].eq(tile[n + g][c]) for c in range(8)]
        with m.If(self.capture):
            m.d.sync += [left.eq(Mux(quarter, 4, p // g)), turn.eq(0), pause.eq(0)]
            for n in range(p):
                m.d.sync += res[n].eq(residuals.r_data.word_select(n, 64))
                m.d.sync += [tile[n][c].eq(self.acc[n][c]) for c in range(8)]

        # Parameters of the block that leaves, each when its stage needs it.
        now = Signal(2)
        m.d.comb += now.eq(Mux(layer.split == 0, 0, turn))

        def chosen(values, name):
            pick = Signal.like(values[0], name=name)
            with m.Switch(now):
                for k in range(rings):
                    with m.Case(k):
                        m.d.comb += pick.eq(values[k])
            return pick

        bias_0 = [chosen([b[c] for b in bias], f"bias_{c}") for c in range(8)]
        mult_1 = [delay(m, chosen([v[c] for v in mult], f"mult_{c}"), 1, f"mult_{c}") for c in range(8)]
        shift_1 = [delay(m, chosen([v[c] for v in shift], f"shift_{c}"), 1, f"shift_{c}") for c in range(8)]
        shift_2 = [delay(m, shift_1[c], 1, f"shift2_{c}") for c in range(8)]
        half_2 = [delay(m, half_of(shift_1[c], PRODUCT_BITS), 1, f"half_{c}") for c in range(8)]
        factor = []
        for c in range(8):
            product, rounded = Signal(24, name=f"gate{c}"), Signal(16, name=f"factor{c}")
            code = codes.word_select(c, 8) ^ 0x80  # -128..127 as 0..255
            if scarce(self._config):
                # A stage more, so that none has more than two adders.
                halves = [Signal(20, name=f"gate{c}_{n}") for n in range(2)]
                m.d.sync += [halves[n].eq(soft_multiply(layer.res_mult_y, code.word_select(n, 4))) for n in range(2)]
                m.d.sync += product.eq(halves[0] + (halves[1] << 4))
            else:
                m.d.sync += product.eq(code * layer.res_mult_y)
            m.d.sync += rounded.eq((product + 128) >> 8)
            late = delay(m, rounded, FACTOR_AT - 2 - scarce(self._config), f"factor{c}")
            own = Signal(16, name=f"own{c}")
            m.d.comb += own.eq(Mux(scale_on, late, layer.res_mult_y))
            factor.append(own)
        half_y = Signal(SUM_BITS - 1)
        m.d.sync += half_y.eq(half_of(layer.res_shift, SUM_BITS))
        mult_r = Signal(16)
        m.d.sync += mult_r.eq(Mux(residual_on, layer.res_mult_r, 0))
        use_table = Signal()
        use_residual = Signal()
        m.d.sync += [use_table.eq((layer.flags & Flag.TABLE).any()), use_residual.eq(residual_on | scale_on)]

        # Where the pixels that left are: lanes without one stand still.
        stages = [leave]
        for n in range(LATENCY):
            stages.append(delay(m, stages[-1], 1, f"leave{n}"))
        for n in range(g):
            half = n + g // 2 if n < g // 2 else n
            m.submodules[f"pixel_{n}"] = pixel = RequantPixel(soft=scarce(self._config))
            m.d.comb += [
                pixel.en.eq(Cat(*stages[:LATENCY])),
                pixel.zp_out.eq(layer.zp_out),
                pixel.use_table.eq(use_table),
                pixel.table_en.eq(self.table_en),
                pixel.table_addr.eq(self.table_addr),
                pixel.table_words.eq(self.table_words),
                pixel.use_residual.eq(use_residual),
                pixel.residual.eq(delay(m, Mux(upper, res[half], res[n]), FACTOR_AT - 1, f"res{n}")),
                pixel.zp_y.eq(layer.zp_y),
                pixel.zp_res.eq(layer.zp_res),
                pixel.zp_sum.eq(layer.zp_sum),
                pixel.mult_r.eq(mult_r),
                pixel.res_half.eq(half_y),
                pixel.res_shift.eq(layer.res_shift),
                pixel.act_min.eq(layer.act_min),
                pixel.act_max.eq(layer.act_max),
                self.pixels[n].eq(pixel.value),
            ]
            for c in range(8):
                m.d.comb += [
                    pixel.acc[c].eq(Mux(upper, tile[half][c], tile[n][c])),
                    pixel.bias[c].eq(bias_0[c]),
                    pixel.mult[c].eq(mult_1[c]),
                    pixel.half[c].eq(half_2[c]),
                    pixel.shift[c].eq(shift_2[c]),
                    pixel.mult_y[c].eq(factor[c]),
                ]
        m.d.comb += self.valid.eq(stages[LATENCY])
        return m
