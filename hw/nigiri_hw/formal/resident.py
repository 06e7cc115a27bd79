# amaranth: UnusedElaboratable=no
"""Residency: nothing that is being replaced is read."""

from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, Mux, Signal

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.core.fetch import FetchUnit
from nigiri_hw.core.fill import FillEngine
from nigiri_hw.core.request import Kind
from nigiri_hw.core.residency import ResidencyTable, connect_table
from nigiri_hw.formal.window import free_inputs

__all__ = ["Residency"]


class Residency(Elaboratable):
    """Fill engine, residency table and fetch unit together: while words of a layer are asked for or under way to the
    persistent buffer, the fetch unit takes none of that layer from there; an entry becomes valid only when every word
    that was asked for has arrived.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.fill, self.fetch, self.table = FillEngine(config), FetchUnit(config), ResidencyTable(config)
        self.ports = [
            *free_inputs(self.fill, "fetch_busy", "entry"),
            self.fill.request.ready,
            *free_inputs(self.fetch, "entry", "hold", "copy_busy"),
            self.fetch.request.ready,
        ]

    def elaborate(self, platform):
        m = Module()
        fill, fetch, table = self.fill, self.fetch, self.table
        # Now, and not when the whole is: their registers are looked at below.
        for unit, name in ((fill, "fill"), (fetch, "fetch"), (table, "table")):
            m.submodules[name] = unit.elaborate(platform)
        connect_table(m, table, fetch, fill)
        m.d.comb += fetch.copy_busy.eq(0)
        replacing, layer = Signal(), Signal(len(fill.wr_layer))
        with m.If(fill.wr_en):
            m.d.sync += [replacing.eq(~fill.wr_entry.valid), layer.eq(fill.wr_layer)]
        # What was asked for and has not come: words for the persistent buffer, and entries.
        owed = {}
        for kind in (Kind.PERSISTENT, Kind.ENTRY):
            owed[kind] = left = Signal(7, name=f"owed_{kind.name.lower()}")
            asked = fill.request.valid & fill.request.ready & (fill.request.payload.kind == kind)
            arrived = fill.bus.valid & (fill.bus.kind == kind)
            m.d.sync += left.eq(left + Mux(asked, fill.request.payload.count, 0) - arrived)
            with m.If(left == 0):
                m.d.comb += Assume(~arrived)
        words = owed[Kind.PERSISTENT]
        writing = (words != 0) | (fill.request.valid & (fill.request.payload.kind == Kind.PERSISTENT))
        # A layer of which the fetch unit may still take words: all states from the entry to the last copy.
        taking = Cat(fetch.fsm.ongoing(s) for s in ("SETUP", "TABLE", "PARAMS", "RUN", "NEAR", "FAR")).any()
        used = taking & fetch.resident & (fetch.look == layer)
        with m.If(writing):
            m.d.comb += Assert(~used)
        with m.If(fetch.copy_valid | fetch.fsm.ongoing("NEAR")):
            m.d.comb += Assert(taking & fetch.resident)
        with m.If(fill.wr_en & fill.wr_entry.valid):
            m.d.comb += [Assert(words == 0), Assert(replacing & (layer == fill.wr_layer))]
        # Between the registers, so that induction closes.
        entries = owed[Kind.ENTRY]
        m.d.comb += [Assert(words + entries == fill.pending), Assert(words <= 32), Assert(entries <= 1)]
        with m.If(self._in("IDLE", "NEXT", "CHECK", "HOLD", "HELD", "SCAN")):
            m.d.comb += Assert(fill.pending == 0)
        with m.If(self._in("RUN", "COPY", "ARRIVE")):
            m.d.comb += Assert(entries == 0)
        m.d.comb += Assert(~self._in("ENTRY") | (words == 0))
        at_work = self._in("HELD", "SCAN", "RUN", "COPY", "ARRIVE")
        invalid = ~table.valid.bit_select(layer, 1)
        with m.If(at_work):
            m.d.comb += [
                Assert(replacing & (layer == fill.wr_layer)),
                Assert(invalid),
                Assert(~used),
            ]
        with m.If(words != 0):
            m.d.comb += Assert(self._in("RUN", "COPY", "ARRIVE", "FAILED") & invalid & ~used)
        return m

    def _in(self, *states: str):
        return Cat(self.fill.fsm.ongoing(s) for s in states).any()
