"""Event counters (nigiri.spec.registers.COUNTERS)."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nigiri.spec.registers import COUNTERS
from nigiri_hw.core.pbuf import RUN

__all__ = ["Counters"]


class Counters(wiring.Component):
    """64-bit sums of the increments `add`, in the order of COUNTERS; cleared by `start`, BYTES_FILL by `fill_start`.

    The largest increment is that of a run of the persistent buffer.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "fill_start": In(1),
                "add": In(range(64 * RUN + 1)).array(len(COUNTERS)),
                "value": Out(64).array(len(COUNTERS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for n, (name, _) in enumerate(COUNTERS):
            step = Signal(range(64 * RUN + 1), name=f"add_{name.lower()}")
            m.d.sync += [step.eq(self.add[n]), self.value[n].eq(self.value[n] + step)]
            with m.If(self.fill_start if name == "BYTES_FILL" else self.start):
                m.d.sync += self.value[n].eq(0)
        return m
