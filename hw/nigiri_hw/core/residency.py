"""The residency table: which prefix of each SuperNet layer lies in the persistent buffer, and where."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig

__all__ = ["Entry", "ResidencyTable", "connect_table"]


class Entry(data.Struct):
    """A resident box of weight words; see nigiri.spec.residency."""

    valid: 1
    out_blocks: 16
    in_blocks: 16
    taps: 6
    base: 20
    size: 20


class ResidencyTable(wiring.Component):
    """One entry per layer; two readers (fetch, fill), one writer (fill).

    Timing: an entry is there one cycle after its address.  Validity bits are registers, so a reset empties the table.
    """

    def __init__(self, config: AcceleratorConfig):
        self._layers = config.layers
        a = ceil_log2(config.layers)
        super().__init__(
            {
                "look_a": In(a),
                "entry_a": Out(Entry),
                "look_b": In(a),
                "entry_b": Out(Entry),
                "wr_en": In(1),
                "wr_layer": In(a),
                "wr_entry": In(Entry),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valid = Signal(self._layers)
        m.submodules.mem = mem = Memory(shape=data.Layout.cast(Entry).size, depth=self._layers, init=[])
        wr = mem.write_port()
        m.d.comb += [wr.addr.eq(self.wr_layer), wr.data.eq(self.wr_entry.as_value()), wr.en.eq(self.wr_en)]
        with m.If(self.wr_en):
            m.d.sync += valid.bit_select(self.wr_layer, 1).eq(self.wr_entry.valid)
        for look, entry in ((self.look_a, self.entry_a), (self.look_b, self.entry_b)):
            rd = mem.read_port()
            present = Signal()
            m.d.comb += rd.addr.eq(look)
            m.d.sync += present.eq(Array(valid)[look])
            m.d.comb += [entry.as_value().eq(rd.data), entry.valid.eq(present)]
        self.valid = valid                                   # proofs look at it
        return m


def connect_table(m: Module, table: ResidencyTable, fetch, fill) -> None:
    """Wire the fetch unit and the fill engine to the table, and to each other: an entry changes only while the fetch
    unit uses none, and it takes no new one meanwhile."""
    m.d.comb += [
        table.look_a.eq(fetch.look[: len(table.look_a)]),
        fetch.entry.eq(table.entry_a),
        table.look_b.eq(fill.look),
        fill.entry.eq(table.entry_b),
        table.wr_en.eq(fill.wr_en),
        table.wr_layer.eq(fill.wr_layer),
        table.wr_entry.eq(fill.wr_entry),
        fetch.hold.eq(fill.hold),
        fill.fetch_busy.eq(fetch.busy),
    ]
