# amaranth: UnusedElaboratable=no
"""LOAD and STORE: the sequencer starts none that leaves the DMA window, and issues no more words than it started."""

from amaranth.hdl import Assert, Elaboratable, Module, Signal

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.sequencer import Sequencer, Slot
from nigiri_hw.formal.window import free_inputs

__all__ = ["CopyWindow"]


class CopyWindow(Elaboratable):
    """Sequencer: any descriptors, any behaviour of the units round it."""

    def __init__(self, config: AcceleratorConfig):
        self.unit = Sequencer(config)
        self.ports = free_inputs(self.unit)

    def elaborate(self, platform):
        m = Module()
        u = self.unit
        m.submodules.unit = u.elaborate(platform)            # now: its state machine is looked at below
        words, left = u.layer.length >> 3, Signal(32)
        with m.If(u.load_start | u.store_start):
            m.d.comb += Assert(u.layer.mem_offset + words <= u.window_size)
        storing, issued = u.fsm.ongoing("STORE"), u.slot == Slot.STORE
        with m.If(u.store_start):
            m.d.sync += left.eq(words)
        with m.Elif(issued):
            m.d.sync += left.eq(left - 1)
        with m.If(issued):
            m.d.comb += [Assert(storing), Assert(left >= 1)]
        with m.If(storing):
            m.d.comb += [Assert(u.io_left + issued == left), Assert(~u.store_start)]
        return m
