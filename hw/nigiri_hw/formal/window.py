"""The DMA window: no unit ever asks for a word outside it, whatever descriptor or fill entry it works on."""

from amaranth.hdl import Assert, Assume, Elaboratable, Module, Signal
from amaranth.lib import wiring

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.descriptors import DescriptorQueue
from nigiri_hw.core.fetch import FetchUnit
from nigiri_hw.core.fill import FillEngine
from nigiri_hw.core.loader import Loader

__all__ = ["FetchWindow", "FillWindow", "LoaderWindow", "QueueWindow", "free_inputs"]


def _constant(m: Module, signal: Signal, name: str) -> None:
    """An input that keeps its value."""
    first, before = Signal(init=1, name=f"{name}_first"), Signal(len(signal), name=f"{name}_before")
    m.d.sync += [first.eq(0), before.eq(signal)]
    with m.If(~first):
        m.d.comb += Assume(signal == before)


def _inside(m: Module, request, window) -> None:
    """A request reaches no word beyond the window, and asks for at most 16."""
    with m.If(request.valid):
        m.d.comb += [
            Assert(request.payload.count <= 16),
            Assert(request.payload.offset + request.payload.count <= window),
        ]


def free_inputs(component: wiring.Component, *but: str) -> list:
    """All inputs of a component that are single signals."""
    out = []
    for path, member, value in component.signature.flatten(component):
        if member.flow == wiring.In and path[0] not in but:
            out.append(value if isinstance(value, Signal) else value.as_value())
    return out


class _Unit(Elaboratable):
    def __init__(self, unit: wiring.Component):
        self.unit = unit
        # Ready comes from the arbiter, against the direction of the request.
        self.ports = [*free_inputs(unit), unit.request.ready]

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = u = self.unit
        _constant(m, u.window_size, "window")
        _inside(m, u.request, u.window_size)
        return m


class FillWindow(_Unit):
    """Fill engine: any entries, any answers."""

    def __init__(self, config: AcceleratorConfig):
        super().__init__(FillEngine(config))


class FetchWindow(_Unit):
    """Fetch unit: any descriptors, any residency, any room in the rings."""

    def __init__(self, config: AcceleratorConfig):
        super().__init__(FetchUnit(config))


class QueueWindow(_Unit):
    """Descriptor queue: any program."""

    def __init__(self, config: AcceleratorConfig):
        super().__init__(DescriptorQueue())


class LoaderWindow(Elaboratable):
    """Loader: asks for no word but those it was started for, which the sequencer compares with the window before."""

    def __init__(self, config: AcceleratorConfig):
        self.unit = Loader(config)
        self.ports = [*free_inputs(self.unit), self.unit.request.ready]

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = u = self.unit
        first, end, left = Signal(32), Signal(33), Signal(20)
        m.d.comb += [Assume(u.words < 1 << 20), Assume(~u.start | (left == 0))]
        m.d.comb += Assume(u.offset + u.words <= (1 << 32) - 1)
        with m.If(u.start):
            m.d.sync += [first.eq(u.offset), end.eq(u.offset + u.words), left.eq(u.words)]
        with m.Elif(u.request.valid & u.request.ready):
            m.d.sync += left.eq(left - u.request.payload.count)
        # Between the unit's registers and those here, so that induction closes.
        m.d.comb += [Assert(u.left == left), Assert(end <= (1 << 32) - 1)]
        with m.If(left != 0):
            m.d.comb += [Assert(u.next == end - left), Assert(first + left <= end)]
        with m.If(u.request.valid):
            m.d.comb += [
                Assert(u.request.payload.offset == end - left),
                Assert(u.request.payload.count <= left),
                Assert(u.request.payload.offset >= first),
            ]
        return m
