# amaranth: UnusedElaboratable=no
"""The stream helpers on a register slice, a slow source and planted protocol errors."""
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nigiri_sim.streams import simulate, stream_get, stream_monitor, stream_put

pytestmark = pytest.mark.usefixtures("collect_abandoned_testbenches")


class Slice(wiring.Component):
    """One register; `fault` plants a protocol error."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, fault=None):
        self._fault = fault
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        with m.Elif(Signal(init=1)):
            if self._fault == "valid":
                m.d.sync += self.o.valid.eq(0)
            if self._fault == "payload":
                m.d.sync += self.o.payload.eq(self.o.payload + 1)
        return m


@pytest.mark.parametrize("put", [0, 0.5])
@pytest.mark.parametrize("get", [0, 0.5])
def test_items_arrive_in_order(put, get):
    dut, got, items = Slice(), [], list(range(100))
    simulate(dut, stream_put(dut.i, items, stalls=put, seed=1), stream_get(dut.o, got, 100, stalls=get, seed=2),
             monitors=[stream_monitor(dut.i), stream_monitor(dut.o)], cycles=1000)
    assert got == items


def test_no_bubbles():
    """Without stalls the helpers move one item a cycle."""
    dut, got = Slice(), []
    simulate(dut, stream_put(dut.i, range(200)), stream_get(dut.o, got, 200), cycles=202)


@pytest.mark.parametrize(("fault", "message"), [
    ("valid", r"^out: valid falls before ready"), ("payload", r"^out: payload changes from \d+ to \d+ before ready")])
def test_the_monitor_notices(fault, message):
    dut = Slice(fault)
    with pytest.raises(AssertionError, match=message):
        simulate(dut, stream_put(dut.i, range(50)), stream_get(dut.o, [], 50, stalls=0.7),
                 monitors=[stream_monitor(dut.o, "out")], cycles=1000)


def test_a_test_that_hangs_ends():
    dut = Slice()
    with pytest.raises(TimeoutError, match=r"^the test is not finished after 50 cycles$"):
        simulate(dut, stream_get(dut.o, [], 1), cycles=50)
