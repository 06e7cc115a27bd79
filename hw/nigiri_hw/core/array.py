"""The arithmetic array: P pixel lanes x 8 output channels x 8 inputs, output stationary.

Two neighbouring pixels share each multiplier: ((a0 << 16) + a1) * w holds both products in one word of 34 bits.  The
packed operand fits the 25 bits of a 7-series DSP slice (with 17 bits for the lower field it would not, at a0 = -128 and
a1 < 0), and as weights lie in [-127, 127], sums of two products fit their fields.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nigiri_hw.lib.util import delay, tree_sum, with_carry

SHIFT = 16
"""Bits of the lower field."""

__all__ = ["LATENCY", "LanePair", "MaxLane"]

LATENCY = 5
"""Cycles from the operand inputs to the accumulators."""


class LanePair(wiring.Component):
    """Two pixels x 8 output channels: 128 multiply-accumulates a cycle on 64 multipliers.

    Timing: operands at cycle t are in the accumulators at t + LATENCY; one step a cycle.
    Resources: 64 DSP slices with the products and their sums of two, 2,800 LUTs, 1,300 flip-flops.

    Members
    -------
    window: pixels x .. x + 7 (7 for each of the two lanes), 8 channels each, for depthwise steps.
    dense: the two lanes' own pixel, already masked, for dense steps.
    dw_valid: per lane, which of its 7 window columns lie inside the image.
    weights: 8 output channels x 8 bytes.
    en, first: a step is present; it starts a new sum.
    acc: the sums of both lanes.
    """

    def __init__(self):
        super().__init__(
            {
                "window": In(64).array(8),
                "dense": In(64).array(2),
                "dw_valid": In(7).array(2),
                "depthwise": In(1),
                "zero_point": In(8),
                "weights": In(64).array(8),
                "en": In(1),
                "first": In(1),
                "acc": Out(signed(32)).array(16),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Registers of eight bytes, two branches rather than a choice per operand: what a simulator moves at once.  Only
        # the enables need a reset, the data does not.
        weights = [Signal(64, name=f"w_{o}", reset_less=True) for o in range(8)]
        operand = [[Signal(64, name=f"a{p}_{o}", reset_less=True) for o in range(8)] for p in range(2)]
        with m.If(self.en):
            m.d.sync += [weights[o].eq(self.weights[o]) for o in range(8)]
            with m.If(self.depthwise):
                for p in range(2):
                    for o in range(8):
                        columns = [
                            Mux(self.dw_valid[p][i], self.window[p + i].word_select(o, 8), self.zero_point)
                            for i in range(7)
                        ]
                        m.d.sync += operand[p][o].eq(Cat(*columns, Const(0, 8)))
            with m.Else():
                for p in range(2):
                    m.d.sync += [operand[p][o].eq(self.dense[p]) for o in range(8)]
        en = [delay(m, self.en, n, f"en{n}_") for n in range(LATENCY)]
        first = delay(m, self.first, LATENCY - 1, "first")
        for o in range(8):
            totals = []
            for g in range(0, 8, 2):
                products = []
                for i in range(g, g + 2):
                    product = Signal(signed(SHIFT + 18), name=f"m_{o}_{i}", reset_less=True)
                    high, low, weight = (
                        word.word_select(i, 8).as_signed() for word in (operand[0][o], operand[1][o], weights[o])
                    )
                    both = Signal(signed(SHIFT + 9), name=f"both_{o}_{i}")
                    m.d.comb += both.eq(Cat(Const(0, SHIFT), high).as_signed() + low)
                    with m.If(en[1]):
                        m.d.sync += product.eq(both * weight)
                    products.append(product)
                total = Signal(signed(SHIFT + 18), name=f"s_{o}_{g}", reset_less=True)
                with m.If(en[2]):
                    m.d.sync += total.eq(products[0] + products[1])
                totals.append(total)
            # A negative lower field has borrowed one from the upper: given back through the carry inputs of the adders.
            lows, highs = [t[:SHIFT].as_signed() for t in totals], [t[SHIFT:].as_signed() for t in totals]
            borrow = [t[SHIFT - 1] for t in totals]
            left, right = with_carry(highs[0], highs[1], borrow[0]), with_carry(highs[2], highs[3], borrow[1])
            parts = [Signal(signed(20), name=f"p{p}_{o}", reset_less=True) for p in range(2)]
            rest = Signal(name=f"borrow_{o}", reset_less=True)
            with m.If(en[3]):
                m.d.sync += [
                    parts[0].eq(with_carry(left, right, borrow[2])),
                    parts[1].eq(tree_sum(lows)),
                    rest.eq(borrow[3]),
                ]
            before = [Mux(first, 0, self.acc[8 * p + o]) for p in range(2)]
            with m.If(en[4]):
                m.d.sync += [
                    self.acc[o].eq(with_carry(before[0], parts[0], rest)),
                    self.acc[8 + o].eq(before[1] + parts[1]),
                ]
        return m


class MaxLane(wiring.Component):
    """The largest value of each of one pixel's 8 channels over the steps of a tile.

    Timing: one step a cycle.  `best` of a tile is there from two cycles after its last step until two cycles after
    the last step of the next.
    Resources: 8 comparators of 8 bits, 128 flip-flops.

    Members
    -------
    pixel: 8 channels.  en, first, last: a step is present; it is the tile's first, last.  best: 8 bytes.
    """

    def __init__(self):
        super().__init__({"pixel": In(64), "en": In(1), "first": In(1), "last": In(1), "best": Out(64)})

    def elaborate(self, platform):
        m = Module()
        running = Signal(64)
        done = Signal()
        m.d.sync += done.eq(self.en & self.last)
        with m.If(self.en):
            for c in range(8):
                new, old = self.pixel.word_select(c, 8), running.word_select(c, 8)
                larger = self.first | (new.as_signed() > old.as_signed())
                m.d.sync += old.eq(Mux(larger, new, old))
        with m.If(done):
            m.d.sync += self.best.eq(running)
        return m
