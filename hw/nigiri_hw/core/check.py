"""Descriptor rules in hardware: the counterpart of nigiri.spec.descriptor.problem."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import MAGIC, MAX_SIDE, Flag, Opcode
from nigiri_hw.core.layer import descriptor_layout
from nigiri_hw.lib.multiply import soft_multiply

__all__ = ["LATENCY", "DescriptorCheck"]

LATENCY = 2
"""Cycles from the descriptor to the verdict."""


class DescriptorCheck(wiring.Component):
    """Tells whether a descriptor may run, and derives what its users need.

    Members
    -------
    ok: no rule is broken.  taps: weight words per block.  run_words: weight words of one output block.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        super().__init__({"layer": In(descriptor_layout()), "ok": Out(1), "taps": Out(6), "run_words": Out(22)})

    def elaborate(self, platform):
        m = Module()
        cfg, d = self._config, self.layer
        depthwise, maximum = (d.flags & Flag.DEPTHWISE).any(), (d.flags & Flag.MAXIMUM).any()
        square = Signal(6)
        with m.Switch(d.kernel):
            for k in (1, 3, 5, 7):
                with m.Case(k):
                    m.d.comb += square.eq(k * k)
        kernel_ok = (square != 0) & ~(maximum & ((d.kernel == 1) | depthwise))
        product, transpose = (d.flags & Flag.PRODUCT).any(), (d.flags & Flag.TRANSPOSE).any()
        product_ok = Mux(product, (d.kernel == 1) & ~depthwise, ~transpose)
        side_ok = (d.in_w >= 1) & (d.in_w <= MAX_SIDE) & (d.in_h >= 1) & (d.in_h <= MAX_SIDE)
        rows_ok = (d.out_h >= 1) & ((d.y_first + d.out_h) <= MAX_SIDE)
        blocks_ok = (d.out_blocks >= 1) & (d.in_blocks >= 1) & ~((depthwise | maximum) & (d.in_blocks != 1))
        alone = Flag.DEPTHWISE | Flag.MAXIMUM | Flag.POOL | Flag.SCALE
        split_ok = (d.split == 0) | ((d.split <= ceil_log2(cfg.groups)) & ~(d.flags & alone).any())
        lb = ceil_log2(cfg.banks)
        phase_ok = ~(d.flags & Flag.POLYPHASE).any() | (d.out_phase[:lb] == cfg.banks // 2)
        shape_ok = Signal()
        copy_ok = Signal()
        base = Mux(d.opcode == Opcode.LOAD, d.out_base, d.in_base)
        m.d.sync += [
            self.taps.eq(Mux(depthwise, d.kernel, square)),
            shape_ok.eq(
                kernel_ok & product_ok & side_ok & rows_ok & blocks_ok & split_ok & phase_ok & (d.layer < cfg.layers)
            ),
            copy_ok.eq((d.length != 0) & (d.length[:3] == 0) & (base[:3] == 0) & (d.length <= cfg.ab_words)),
        ]
        words = soft_multiply(d.in_blocks, self.taps)
        m.d.sync += [
            self.run_words.eq(words),
            self.ok.eq(
                (d.magic == MAGIC)
                & Mux(
                    d.opcode == Opcode.CONV,
                    shape_ok & (words < cfg.ring_words),
                    ((d.opcode == Opcode.LOAD) | (d.opcode == Opcode.STORE)) & copy_ok,
                )
            ),
        ]
        return m
