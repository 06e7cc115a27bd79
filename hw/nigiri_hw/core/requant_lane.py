"""One value of the requantiser: accumulator in, int8 out, eleven cycles later."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nigiri_hw.lib.util import clamp8, delay, shift_round

__all__ = ["LATENCY", "RequantLane"]

LATENCY = 11
"""Cycles from `acc` to `value`."""


class RequantLane(wiring.Component):
    """nigiri.spec.arith bit for bit: requantise, table, add_residual, clamp.

    Timing: one value a cycle.  `acc` and `bias` come at cycle 0, `mult` at 1, `half` and `shift` (of the channel) at 2,
    `residual` and `mult_y` at 6; the rest is stable while a layer runs.
    Resources: one 32 x 16 and two 9 x 16 multipliers, a LUT RAM of 256 bytes.
    """

    def __init__(self):
        super().__init__(
            {
                "acc": In(signed(32)),
                "bias": In(signed(32)),
                "mult": In(16),
                "half": In(63),
                "shift": In(6),
                "zp_out": In(signed(8)),
                "use_table": In(1),
                "table_en": In(1),
                "table_addr": In(5),
                "table_words": In(64),
                "use_residual": In(1),
                "residual": In(signed(8)),
                "zp_y": In(signed(8)),
                "zp_res": In(signed(8)),
                "zp_sum": In(signed(8)),
                "mult_y": In(16),
                "mult_r": In(16),
                "res_half": In(63),
                "res_shift": In(6),
                "act_min": In(signed(8)),
                "act_max": In(signed(8)),
                "value": Out(signed(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        total, product = Signal(signed(32)), Signal(signed(49))
        m.d.sync += [total.eq(self.acc + self.bias), product.eq(total * self.mult)]
        rounded = shift_round(m, product, self.half, self.shift, "rq")
        code = Signal(signed(8))
        m.d.sync += code.eq(clamp8(rounded + self.zp_out))

        m.submodules.table = table = Memory(shape=64, depth=32, init=[])
        read, write = table.read_port(domain="comb"), table.write_port()
        m.d.comb += [
            write.en.eq(self.table_en),
            write.addr.eq(self.table_addr),
            write.data.eq(self.table_words),
            read.addr.eq(code[3:8]),
        ]
        active = Signal(signed(8))
        m.d.sync += active.eq(Mux(self.use_table, read.data.word_select(code[:3], 8), code))

        own, other, both = Signal(signed(26)), Signal(signed(26)), Signal(signed(27))
        m.d.sync += [
            own.eq((active - self.zp_y) * self.mult_y),
            other.eq((self.residual - self.zp_res) * self.mult_r),
            both.eq(own + other),
        ]
        summed = shift_round(m, both, self.res_half, self.res_shift, "rs")
        plain = delay(m, active, 4, "plain")
        final = Mux(self.use_residual, clamp8(summed + self.zp_sum), plain)
        m.d.sync += self.value.eq(
            Mux(final < self.act_min, self.act_min, Mux(final > self.act_max, self.act_max, final))
        )
        return m
