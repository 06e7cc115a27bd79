"""Requantisation: accumulators to int8, table activation, residual addition, clamp.

Follows nigiri.spec.arith bit for bit.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.lib.util import clamp8, delay, half_of, shift_round

__all__ = ["LATENCY", "Requantiser"]

LATENCY = 11
"""Cycles from a group leaving the tile register to `valid`."""


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
            res_d = delay(m, res[n], 6, f"res{n}")
            for c in range(8):
                name = f"v{n}_{c}"
                total = Signal(signed(32), name=f"{name}_total")
                product = Signal(signed(49), name=f"{name}_product")
                m.d.sync += [total.eq(tile[n][c] + bias[c]), product.eq(total * mult_1[c])]
                rounded = shift_round(m, product, half_2[c], shift_2[c], f"{name}_rq")
                value = Signal(signed(8), name=f"{name}_value")
                m.d.sync += value.eq(clamp8(rounded + layer.zp_out))

                m.submodules[f"table_{n}_{c}"] = table = Memory(shape=64, depth=32, init=[])
                read, write = table.read_port(domain="comb"), table.write_port()
                m.d.comb += [
                    write.en.eq(self.table_en),
                    write.addr.eq(self.table_addr),
                    write.data.eq(self.table_words),
                    read.addr.eq(value[3:8]),
                ]
                active = Signal(signed(8), name=f"{name}_active")
                m.d.sync += active.eq(Mux(use_table, read.data.word_select(value[:3], 8), value))

                own = Signal(signed(26), name=f"{name}_own")
                other = Signal(signed(26), name=f"{name}_other")
                both = Signal(signed(27), name=f"{name}_both")
                m.d.sync += [
                    own.eq((active - layer.zp_y) * layer.res_mult_y),
                    other.eq((res_d.word_select(c, 8).as_signed() - layer.zp_res) * layer.res_mult_r),
                    both.eq(own + other),
                ]
                summed = shift_round(m, both, half_y, layer.res_shift, f"{name}_rs")
                plain = delay(m, active, 4, f"{name}_plain")
                result = Signal(signed(8), name=f"{name}_result")
                final = Mux(use_residual, clamp8(summed + layer.zp_sum), plain)
                m.d.sync += result.eq(
                    Mux(final < layer.act_min, layer.act_min, Mux(final > layer.act_max, layer.act_max, final))
                )
                m.d.comb += self.pixels[n].word_select(c, 8).eq(result)
        m.d.comb += self.valid.eq(delay(m, leave, LATENCY, "leave"))
        return m
