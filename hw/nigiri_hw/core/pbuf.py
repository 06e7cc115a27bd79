"""Persistent buffer: the cached SubGraph, and the engines that copy its words into the dynamic buffer."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.lib.ram import ram_style

__all__ = ["RUN", "PersistentBuffer"]

RUN = 64
"""Most words in one run."""

ROOM = 4
"""Words that wait for a ring."""


class PersistentBuffer(wiring.Component):
    """`pb_words` words of 64 bytes, written by fills, read in runs: one copy engine and one bank per ring.

    Word n lies in bank n modulo the number of banks.  An engine walks through the banks one by one, so engines that
    meet in a bank are a bank apart from then on, and all of them move a word a cycle.

    Timing: a run of n words takes n cycles, and one more for each engine it meets; the first word comes four cycles
    after the run is accepted.
    Resources: 8 RAMs of 64 bits x pb_words (UltraRAM or block RAM); per engine a word multiplexer.

    Members
    -------
    run_*: run of `count` words from `addr` to position `pos`, which carries the ring's number in its top bits.
    busy: a run is waiting or under way.
    out_valid, out_ready, out_pos, out_data: of every engine, words for its ring.
    wr_*: one word of a fill.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        r = ceil_log2(config.ring_words)
        rings = config.groups
        super().__init__(
            {
                "run_valid": In(1),
                "run_ready": Out(1),
                "run_addr": In(20),
                "run_pos": In(r + 2 + ceil_log2(rings)),
                "run_count": In(range(RUN + 1)),
                "busy": Out(1),
                "out_valid": Out(rings),
                "out_ready": In(rings),
                "out_pos": Out(r + 1).array(rings),
                "out_data": Out(64).array(rings, 8),
                "wr_en": In(1),
                "wr_addr": In(20),
                "wr_data": In(64).array(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self._config
        if not cfg.pb_words:
            m.d.comb += self.run_ready.eq(1)
            return m
        banks, low = cfg.groups, ceil_log2(cfg.groups)
        r = ceil_log2(cfg.ring_words)
        depth = -(-cfg.pb_words // banks)

        # Memories: each bank is read by the engine that is granted it.
        row, reading = [Signal(range(depth), name=f"row{b}") for b in range(banks)], Signal(banks)
        words = []
        for b in range(banks):
            words.append([])
            for n in range(8):
                m.submodules[f"data_{b}_{n}"] = mem = Memory(
                    shape=64, depth=depth, init=[], attrs=ram_style(cfg, "PB")
                )
                rd, wr = mem.read_port(), mem.write_port()
                m.d.comb += [
                    rd.addr.eq(row[b]),
                    rd.en.eq(reading[b]),
                    wr.addr.eq(self.wr_addr >> low),
                    wr.data.eq(self.wr_data[n]),
                    wr.en.eq(self.wr_en & (self.wr_addr[:low] == b)),
                ]
                words[b].append(rd.data)

        ring = self.run_pos[r + 2 :]
        busy = Signal(banks)
        asking = []
        for e in range(banks):
            m.submodules[f"runs_{e}"] = runs = SyncFIFO(width=20 + r + 1 + len(self.run_count), depth=4)
            m.submodules[f"out_{e}"] = out = SyncFIFO(width=512 + r + 1, depth=ROOM)
            addr, pos, left = (
                Signal(20, name=f"addr{e}"),
                Signal(r + 1, name=f"pos{e}"),
                Signal(range(RUN + 1), name=f"left{e}"),
            )
            coming, bank, at, room = (
                Signal(name=f"coming{e}"),
                Signal(range(max(2, banks)), name=f"bank{e}"),
                Signal(r + 1, name=f"at{e}"),
                Signal(range(ROOM + 1), init=ROOM, name=f"room{e}"),
            )
            want, go, load = (Signal(name=f"{n}{e}") for n in ("want", "go", "load"))
            taking = self.out_valid[e] & self.out_ready[e]
            with m.If(ring == e):
                m.d.comb += self.run_ready.eq(runs.w_rdy)
            m.d.comb += [
                runs.w_data.eq(Cat(self.run_addr, self.run_pos[: r + 1], self.run_count)),
                runs.w_en.eq(self.run_valid & (ring == e)),
                want.eq((left != 0) & (room != 0)),
                load.eq(runs.r_rdy & ((left == 0) | (go & (left == 1)))),
                runs.r_en.eq(load),
            ]
            # The engines before this one are served first.
            clash = Cat(*(w & (a[:low] == addr[:low]) for w, a in asking)).any() if asking else 0
            m.d.comb += go.eq(want & ~clash)
            asking.append((want, addr))
            for b in range(banks):
                with m.If(go & (addr[:low] == b)):
                    m.d.comb += [row[b].eq(addr >> low), reading[b].eq(1)]
            m.d.sync += [coming.eq(go), bank.eq(addr[:low]), at.eq(pos), room.eq(room - go + taking)]
            with m.If(go):
                m.d.sync += [addr.eq(addr + 1), pos.eq(pos + 1), left.eq(left - 1)]
            with m.If(load):
                m.d.sync += Cat(addr, pos, left).eq(runs.r_data)
            whole = Array(Cat(*words[b]) for b in range(banks))[bank] if banks > 1 else Cat(*words[0])
            m.d.comb += [
                out.w_data.eq(Cat(whole, at)),
                out.w_en.eq(coming),
                out.r_en.eq(self.out_ready[e]),
                self.out_valid[e].eq(out.r_rdy),
                self.out_pos[e].eq(out.r_data[512:]),
                busy[e].eq(runs.r_rdy | (left != 0) | (room != ROOM)),
            ]
            m.d.comb += [self.out_data[e][n].eq(out.r_data[64 * n : 64 * n + 64]) for n in range(8)]
        m.d.comb += self.busy.eq(busy.any())
        return m
