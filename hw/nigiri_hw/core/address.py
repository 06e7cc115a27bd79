"""Addresses and image-border masks of array steps."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag
from nigiri.spec.layout import DENSE_TAPS, ROWS, SLOT_BASE
from nigiri_hw.core.layer import descriptor_layout

__all__ = ["LATENCY", "AddressUnit"]

LATENCY = 2
"""Cycles from a slot to its address and masks."""


class AddressUnit(wiring.Component):
    """Turns (tile base, tap) into an activation address, and says which pixels lie inside the image.

    Every lane keeps the coordinates of its output pixel; they advance by a tile's pixels (P, or those of a lane group)
    after a tile's last step.

    Members
    -------
    setup, busy: on `setup` the lanes' first coordinates are counted out, which takes one cycle per
        pixel of a tile and two more.
    out_w: width of the output map.
    step, last, block_end, tap, parity, base: a slot; without `step` the address is `base` itself.
    addr, dense_valid, dw_valid: two cycles later.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        a, p = ceil_log2(config.ab_words), config.lanes
        super().__init__(
            {
                "layer": In(descriptor_layout()),
                "out_w": In(10),
                "setup": In(1),
                "busy": Out(1),
                "step": In(1),
                "last": In(1),
                "block_end": In(1),
                "tap": In(6),
                "parity": In(1),
                "base": In(a),
                "addr": Out(a),
                "dense_valid": Out(p),
                "dw_valid": Out(7).array(p),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, d = self._config, self.layer
        p, abits = cfg.lanes, ceil_log2(cfg.ab_words)
        depthwise, stride2 = Signal(), Signal()
        m.d.comb += [depthwise.eq((d.flags & Flag.DEPTHWISE).any()), stride2.eq((d.flags & Flag.STRIDE2).any())]

        # Stage 1: tap -> plane, shift inside the plane, limits of the plane.
        dense_dy, dense_dx, row_dy = Signal(signed(3)), Signal(signed(3)), Signal(signed(3))
        m.d.comb += [
            dense_dy.eq(Array(Const(t[0], signed(3)) for t in DENSE_TAPS)[self.tap]),
            dense_dx.eq(Array(Const(t[1], signed(3)) for t in DENSE_TAPS)[self.tap]),
            row_dy.eq(Array(Const(dy, signed(3)) for dy in ROWS)[self.tap[:3]]),
        ]
        dy = Mux(depthwise, row_dy, dense_dy)
        py = stride2 & dy[0]
        px = stride2 & Mux(depthwise, self.parity, dense_dx[0])
        sy, sx = Signal(signed(3)), Signal(signed(4))
        plane = Signal(2)
        base, step, last, end = Signal(abits), Signal(), Signal(), Signal()
        w_limit, h_limit = Signal(10), Signal(10)
        dw_sx = Mux(stride2, Mux(self.parity, SLOT_BASE[2, 1], SLOT_BASE[2, 0]), SLOT_BASE[1, 0])
        m.d.sync += [
            sy.eq(Mux(stride2, dy >> 1, dy)),
            sx.eq(Mux(depthwise, dw_sx, Mux(stride2, dense_dx >> 1, dense_dx))),
            plane.eq(py << 1 | px),
            base.eq(self.base),
            step.eq(self.step),
            last.eq(self.last),
            end.eq(self.block_end),
            w_limit.eq(Mux(stride2, (d.in_w + ~px) >> 1, d.in_w)),
            h_limit.eq(Mux(stride2, (d.in_h + ~py) >> 1, d.in_h)),
        ]

        # Stage 2: address, masks.
        plane_offset = Signal(abits)
        with m.Switch(plane):
            with m.Case(1):
                m.d.comb += plane_offset.eq(d.in_phase)
            with m.Case(2):
                m.d.comb += plane_offset.eq(d.in_phase << 1)
            with m.Case(3):
                m.d.comb += plane_offset.eq(d.in_phase + (d.in_phase << 1))
        m.d.sync += self.addr.eq(Mux(step, base + sy * self.out_w + sx + plane_offset, base))

        x = [Signal(10, name=f"x{n}") for n in range(p)]
        y = [Signal(10, name=f"y{n}") for n in range(p)]
        x_first = [Signal(10, name=f"x_first{n}") for n in range(p)]
        y_first = [Signal(10, name=f"y_first{n}") for n in range(p)]
        jump_x, jump_y = Signal(10), Signal(10)
        for n in range(p):
            row = y[n] + sy
            row_ok = Signal(name=f"row_ok{n}")
            m.d.comb += row_ok.eq((row >= 0) & (row < h_limit))
            column = Signal(signed(12), name=f"column{n}")
            m.d.comb += column.eq(x[n] + sx)
            m.d.sync += self.dense_valid[n].eq(row_ok & (column >= 0) & (column < w_limit))
            for s in range(7):
                m.d.sync += self.dw_valid[n][s].eq(row_ok & (column + s >= 0) & (column + s < w_limit))
            wide = x[n] + jump_x
            over = wide >= self.out_w
            with m.If(step & last):
                with m.If(end):
                    m.d.sync += [x[n].eq(x_first[n]), y[n].eq(y_first[n])]
                with m.Else():
                    m.d.sync += [x[n].eq(wide - Mux(over, self.out_w, 0)), y[n].eq(y[n] + jump_y + over)]

        # Counting out the first tile: one pixel a cycle; the one after its last tells how far a tile jumps.
        count = Signal(range(p + 2))
        cx, cy = Signal(10), Signal(10)
        with m.If(self.setup):
            m.d.sync += [self.busy.eq(1), count.eq(0), cx.eq(0), cy.eq(d.y_first)]
        with m.Elif(self.busy):
            m.d.sync += count.eq(count + 1)
            with m.If(cx + 1 == self.out_w):
                m.d.sync += [cx.eq(0), cy.eq(cy + 1)]
            with m.Else():
                m.d.sync += cx.eq(cx + 1)
            for n in range(p):
                # Every lane group works on the same pixels.
                mine = [(d.split == k) & (count == n % (p >> k)) for k in range(ceil_log2(cfg.groups) + 1)]
                with m.If(Cat(*mine).any()):
                    m.d.sync += [x_first[n].eq(cx), y_first[n].eq(cy), x[n].eq(cx), y[n].eq(cy)]
            with m.If(count == Mux(d.split == 0, p, Mux(d.split == 1, p // 2, p // 4))):
                m.d.sync += [jump_x.eq(cx), jump_y.eq(cy - d.y_first[:10]), self.busy.eq(0)]
        return m
