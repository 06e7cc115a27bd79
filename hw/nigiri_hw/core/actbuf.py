"""Activation buffer: banks interleaved by pixel, read as P + 6 consecutive pixels at any start in one cycle."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.lib.ram import ram_style

__all__ = ["LATENCY", "ActivationBuffer"]

LATENCY = 3
"""Cycles from the read address to the window."""


class ActivationBuffer(wiring.Component):
    """`ab_words` pixel words of 64 bits in `banks` banks; word n lies in bank n % banks.

    Timing: `addr` at cycle t gives `window` at t + 3, one read a cycle; writes are stored at the end of their cycle
    plus one.  A read of a word in the cycle it is stored gives the old word.
    Resources: one simple dual-port RAM per bank, a rotator of banks x 64 bits x log2(banks).

    Members
    -------
    addr, window: window[j] is the word at addr + j (modulo the buffer).
    wr: two groups of up to H consecutive words each (H = half of `requant_pixels`, at least 1): start, count, words.
        The groups must not meet in a bank.
    load: eight consecutive words from a multiple of 8.  Not in the same cycle as `wr`.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        self.half = max(1, config.requant_pixels // 2)
        self.addr_bits = ceil_log2(config.ab_words)
        a, h = self.addr_bits, self.half
        super().__init__(
            {
                "addr": In(a),
                "window": Out(64).array(config.lanes + 6),
                "wr_start": In(a).array(2),
                "wr_count": In(range(h + 1)).array(2),
                "wr_words": In(64).array(2, h),
                "load_en": In(1),
                "load_addr": In(a),
                "load_words": In(64).array(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, n, h = self._config, self._config.banks, self.half
        lb = ceil_log2(n)
        depth = cfg.ab_words // n
        rows = self.addr_bits - lb

        # Words of a write group, rotated so that bank b takes word b % turns.
        turns = 1 << ceil_log2(h)
        rotated = [[Signal(64, name=f"wr{g}_rot{j}") for j in range(turns)] for g in range(2)]
        for g in range(2):
            offset = self.wr_start[g][: ceil_log2(h)] if h > 1 else 0
            for j in range(turns):
                words = [self.wr_words[g][i] if (i := (j - k) % turns) < h else Const(0, 64) for k in range(turns)]
                with m.Switch(offset):
                    for k in range(turns):
                        with m.Case(k):
                            m.d.comb += rotated[g][j].eq(words[k])

        start_bank = Signal(lb)
        m.d.sync += start_bank.eq(self.addr[:lb])
        read_bank = Signal(lb)
        m.d.sync += read_bank.eq(start_bank)
        data = []
        for b in range(n):
            m.submodules[f"bank_{b}"] = mem = Memory(
                shape=64, depth=depth, init=[], attrs=ram_style(cfg, "AB")
            )
            rd, wr = mem.read_port(), mem.write_port()
            row = Signal(rows, name=f"row_{b}", reset_less=True)
            m.d.sync += row.eq(self.addr[lb:] + (self.addr[:lb] > b))
            m.d.comb += rd.addr.eq(row)
            data.append(rd.data)
            hit = []
            for g in range(2):
                start = self.wr_start[g]
                distance = Signal(lb, name=f"dist{g}_{b}")
                m.d.comb += distance.eq(b - start[:lb])
                hit.append(distance < self.wr_count[g])
            group = [self.wr_start[g][lb:] + (self.wr_start[g][:lb] > b) for g in range(2)]
            loading = self.load_en & (self.load_addr[3:lb] == b >> 3) if lb > 3 else self.load_en
            m.d.sync += [
                wr.en.eq(hit[0] | hit[1] | loading),
                wr.addr.eq(Mux(loading, self.load_addr[lb:], Mux(hit[0], group[0], group[1]))),
                wr.data.eq(
                    Mux(loading, self.load_words[b % 8], Mux(hit[0], rotated[0][b % turns], rotated[1][b % turns]))
                ),
            ]

        for s in range(lb):
            data = [Mux(read_bank[s], data[(j + (1 << s)) % n], data[j]) for j in range(n)]
            named = [Signal(64, name=f"rot{s}_{j}") for j in range(n)]
            m.d.comb += [sig.eq(v) for sig, v in zip(named, data, strict=True)]
            data = named
        for j in range(cfg.lanes + 6):
            m.d.sync += self.window[j].eq(data[j])
        return m
