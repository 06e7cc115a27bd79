"""Persistent buffer: the cached SubGraph, and the engine that copies its words into the dynamic buffer."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig

__all__ = ["PersistentBuffer"]


class PersistentBuffer(wiring.Component):
    """`pb_words` words of 64 bytes, written by fills, read in runs.

    Timing: a run of n words takes n cycles when the dynamic buffer takes one each cycle; the first comes three cycles
    after the run is accepted.
    Resources: 8 RAMs of 64 bits x pb_words (UltraRAM or block RAM).

    Members
    -------
    run_*: run of `count` words from `addr` to position `pos`, which carries the ring's number above.  busy: a run is waiting or under way.
    out_valid, out_ready, out_pos, out_data: words for the dynamic buffer.
    wr_*: one word of a fill.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        r = ceil_log2(config.db_words)  # a position in a ring, and the ring's number
        super().__init__(
            {
                "run_valid": In(1),
                "run_ready": Out(1),
                "run_addr": In(20),
                "run_pos": In(r + 2),
                "run_count": In(5),
                "busy": Out(1),
                "out_valid": Out(1),
                "out_ready": In(1),
                "out_pos": Out(r + 2),
                "out_data": Out(64).array(8),
                "wr_en": In(1),
                "wr_addr": In(20),
                "wr_data": In(64).array(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if not self._config.pb_words:
            m.d.comb += self.run_ready.eq(1)
            return m
        a = ceil_log2(self._config.pb_words)
        r = ceil_log2(self._config.db_words)
        m.submodules.runs = runs = SyncFIFO(width=20 + r + 2 + 5, depth=4)
        m.d.comb += [
            runs.w_data.eq(Cat(self.run_addr, self.run_pos, self.run_count)),
            runs.w_en.eq(self.run_valid),
            self.run_ready.eq(runs.w_rdy),
        ]
        addr, pos, left = Signal(20), Signal(r + 2), Signal(5)
        step, load = Signal(), Signal()
        m.d.comb += [
            step.eq((left != 0) & (~self.out_valid | self.out_ready)),
            load.eq(runs.r_rdy & ((left == 0) | (step & (left == 1)))),
            runs.r_en.eq(load),
        ]
        with m.If(self.out_ready):
            m.d.sync += self.out_valid.eq(0)
        with m.If(step):
            m.d.sync += [
                self.out_valid.eq(1),
                self.out_pos.eq(pos),
                addr.eq(addr + 1),
                pos.eq(pos + 1),
                left.eq(left - 1),
            ]
        with m.If(load):
            m.d.sync += Cat(addr, pos, left).eq(runs.r_data)
        m.d.comb += self.busy.eq(runs.r_rdy | (left != 0) | self.out_valid)
        for n in range(8):
            m.submodules[f"data_{n}"] = mem = Memory(
                shape=64,
                depth=self._config.pb_words,
                init=[],
                attrs={"ram_style": "ultra"}
                if self._config.part.startswith("xc") and not self._config.part.startswith("xc7")
                else {},
            )
            rd, wr = mem.read_port(), mem.write_port()
            m.d.comb += [
                rd.addr.eq(addr[:a]),
                rd.en.eq(step),
                self.out_data[n].eq(rd.data),
                wr.addr.eq(self.wr_addr[:a]),
                wr.data.eq(self.wr_data[n]),
                wr.en.eq(self.wr_en),
            ]
        return m
