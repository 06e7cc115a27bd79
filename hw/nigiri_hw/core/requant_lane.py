"""One value of the requantiser: accumulator in, int8 out, eleven cycles later."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nigiri_hw.lib.multiply import booth_rows, booth_sum, split_multiply
from nigiri_hw.lib.util import clamp8, shift_round

__all__ = ["COMMON", "LATENCY", "OWN", "PRODUCT_BITS", "SUM_BITS", "RequantLane"]

LATENCY = 11
"""Cycles from `acc` to `value`."""

PRODUCT_BITS, SUM_BITS = 49, 27
"""Of a scaled accumulator, and of a scaled residual sum."""

COMMON = {
    "en": LATENCY,
    "zp_out": signed(8),
    "use_table": 1,
    "table_en": 1,
    "table_addr": 5,
    "table_words": 64,
    "use_residual": 1,
    "zp_y": signed(8),
    "zp_res": signed(8),
    "zp_sum": signed(8),
    "mult_r": 16,
    "res_half": SUM_BITS - 1,
    "res_shift": 6,
    "act_min": signed(8),
    "act_max": signed(8),
}
"""Inputs that all channels of a pixel share, and their shapes."""
OWN = {"acc": signed(32), "bias": signed(32), "mult": 16, "half": PRODUCT_BITS - 1, "shift": 6, "mult_y": 16}
"""Inputs that each channel has of its own."""


class RequantLane(wiring.Component):
    """nigiri.spec.arith bit for bit: requantise, table, add_residual, clamp.

    Timing: one value a cycle.  `acc` and `bias` come at cycle 0, `mult` at 1, `half` and `shift` (of the channel) at 2,
    `residual` at 5, `mult_y` at 6; the rest is stable while a layer runs.
    `en` has a bit per stage: bit k says that a value is k cycles old; stages without one stand still.
    Resources: one 32 x 16 and two 9 x 16 multipliers, a LUT RAM of 256 bytes.  With `soft` one DSP slice: it takes the
    lower 24 bits of the accumulator, the rest is in look-up tables, no more than two adders in a stage.
    """

    def __init__(self, *, soft: bool = False):
        self._soft = soft
        super().__init__(
            {name: In(shape) for name, shape in {**COMMON, **OWN}.items()}
            | {"residual": In(signed(8)), "value": Out(signed(8))}
        )

    def elaborate(self, platform):
        m = Module()
        en = self.en
        # Only the enables need a reset, the data does not.
        total, product = Signal(signed(32), reset_less=True), Signal(signed(PRODUCT_BITS), reset_less=True)
        with m.If(en[0]):
            m.d.sync += total.eq(self.acc + self.bias)
        with m.If(en[1]):
            m.d.sync += product.eq(split_multiply(total, self.mult) if self._soft else total * self.mult)
        rounded = shift_round(m, product, self.half, self.shift, "rq", en=en[2:4])
        code = Signal(signed(8), reset_less=True)
        with m.If(en[4]):
            m.d.sync += code.eq(clamp8(rounded + self.zp_out))

        m.submodules.table = table = Memory(shape=64, depth=32, init=[])
        read, write = table.read_port(domain="comb"), table.write_port()
        m.d.comb += [
            write.en.eq(self.table_en),
            write.addr.eq(self.table_addr),
            write.data.eq(self.table_words),
            read.addr.eq(code[3:8]),
        ]
        # The differences of the residual addition, each a stage before its product.
        now, active = Signal(signed(8)), Signal(signed(8), reset_less=True)
        own, other = (Signal(signed(9), name=n, reset_less=True) for n in ("own", "other"))
        m.d.comb += now.eq(Mux(self.use_table, read.data.word_select(code[:3], 8), code))
        with m.If(en[5]):
            m.d.sync += [active.eq(now), own.eq(now - self.zp_y), other.eq(self.residual - self.zp_res)]

        both = Signal(signed(SUM_BITS), reset_less=True)
        plain = [Signal(signed(8), name=f"plain{n}", reset_less=True) for n in range(4)]
        parts = []
        for name, difference, mult in (("own", own, self.mult_y), ("other", other, self.mult_r)):
            for n, value in enumerate(self._products(difference, mult)):
                parts.append(Signal(signed(SUM_BITS), name=f"{name}_part{n}", reset_less=True))
                with m.If(en[6]):
                    m.d.sync += parts[-1].eq(value)
        with m.If(en[6]):
            m.d.sync += plain[0].eq(active)
        with m.If(en[7]):
            m.d.sync += [both.eq(booth_sum(parts)), plain[1].eq(plain[0])]
        with m.If(en[8]):
            m.d.sync += plain[2].eq(plain[1])
        with m.If(en[9]):
            m.d.sync += plain[3].eq(plain[2])
        summed = shift_round(m, both, self.res_half, self.res_shift, "rs", en=en[8:10])
        final = Mux(self.use_residual, clamp8(summed + self.zp_sum), plain[3])
        with m.If(en[10]):
            m.d.sync += self.value.eq(
                Mux(final < self.act_min, self.act_min, Mux(final > self.act_max, self.act_max, final))
            )
        return m

    def _products(self, difference, mult):
        """Numbers whose sum is the product."""
        if not self._soft:
            return [difference * mult]
        rows = booth_rows(difference, mult)
        return [booth_sum(rows[:3]), booth_sum(rows[3:])]
