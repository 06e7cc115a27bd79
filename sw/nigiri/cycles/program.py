"""The sequencer: runs the descriptors of a program one after the other."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from nigiri.cycles import timing
from nigiri.cycles.fetch import Arrival, Box, Fetch
from nigiri.cycles.reads import read_path
from nigiri.cycles.result import LayerCycles, Prediction, Span
from nigiri.cycles.rings import Ring
from nigiri.cycles.writes import store_end
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode
from nigiri.spec.memory import MemorySetting, default_memory

__all__ = ["predict"]


def predict(program: Sequence[dict[str, int]], config: AcceleratorConfig, memory: MemorySetting | None = None,
            resident: Mapping[int, Box] | None = None, *, offset: int = 0) -> Prediction:
    """Cycles, stalls and bytes of a program.

    Parameters
    ----------
    program: unpacked descriptors that obey the rules of the configuration.
    memory: the off-chip memory; the board's when left out.
    resident: what is in the persistent buffer, by SuperNet layer.
    offset: of the program in memory, words; decides how its reads fall into bursts.
    """
    return _Sequencer(program, config, memory or default_memory(config), resident or {}, offset).run()


class _Sequencer:
    def __init__(self, program: Sequence[dict[str, int]], config: AcceleratorConfig, memory: MemorySetting,
                 resident: Mapping[int, Box], offset: int):
        self.program, self.config, self.memory, self.offset = program, config, memory, offset
        self.reads = read_path(config, memory)
        self.fetch = Fetch(program, config, resident, self.reads)
        self.layers: list[LayerCycles] = []
        self.time = 0.0
        self.last = -1e9                        # last step of a tile
        self.gap = 0                            # cycles from it to the next, at least

    def run(self) -> Prediction:
        for n in range(min(timing.AHEAD, len(self.program))):
            self._descriptor(n, 0.0)
        for n, d in enumerate(self.program):
            x = LayerCycles(index=n, opcode=d["opcode"], layer=d["layer"], start=self.time)
            self.layers.append(x)
            self.fetch.reached.append(self.time)
            x.nbytes["descriptors"] = descriptor.BYTES
            begin = max(self.time, self.fetch.known[n]) + timing.CHECK
            x.stalls["descriptor"] += begin - self.time + 1      # the last cycle moves on to the next descriptor
            self.time = begin
            {Opcode.CONV: self._conv, Opcode.LOAD: self._load, Opcode.STORE: self._store}[Opcode(d["opcode"])](n, d, x)
            self.time += 1
            x.cycles = self.time - x.start
            traffic = self.fetch.traffic[n]
            x.nbytes |= {"weights": traffic.weights, "pb": traffic.pb, "tables": traffic.tables}
            x.spans += [Span(track, *span) for track, span in traffic.spans.items()]
            if n + timing.AHEAD < len(self.program):
                self._descriptor(n + timing.AHEAD, self.time)
        return Prediction(layers=tuple(self.layers))

    def _descriptor(self, n: int, at: float) -> None:
        """Ask for a descriptor in cycle `at`."""
        self.fetch.until(at)
        pieces: list[tuple[int, float]] = []
        self.reads.ask(at, self.offset + 2 * n, 2, 0, 1, pieces)
        self.fetch.known.append(pieces[-1][1] - timing.READY + timing.QUEUED)

    def _load(self, n: int, d: dict[str, int], x: LayerCycles) -> None:
        words, at = d["length"] // 8, 0
        pieces: list[tuple[int, float]] = []
        time = self.time + 1
        while at < words:
            # The fetch unit goes first whenever it has a request.
            before = -1.0
            while before != self.reads.ready:
                before = self.reads.ready
                self.fetch.until(max(time, before) + 1)
            count = min(timing.CHUNK, words - at)
            time = self.reads.ask(time, d["mem_offset"] + at, count, 0, 0, pieces) + 1
            at += count
        end = max(ready for _, ready in pieces) - timing.READY + timing.LOADED
        x.nbytes["act_in"] = 64 * words
        self._io(x, end)

    def _store(self, n: int, d: dict[str, int], x: LayerCycles) -> None:
        words = d["length"] // 8
        x.nbytes["act_out"] = 64 * words
        self._io(x, store_end(self.time, words, self.config, self.memory))

    def _io(self, x: LayerCycles, end: float) -> None:
        x.stalls["activations"] += end - self.time
        x.spans.append(Span("load and store", self.time, end))
        self.time = end

    def _conv(self, n: int, d: dict[str, int], x: LayerCycles) -> None:
        config, flags = self.config, d["flags"]
        out_w = -(-d["in_w"] // 2) if flags & Flag.STRIDE2 else d["in_w"]
        pixels = d["out_h"] * out_w
        groups = 1 << d["split"]
        parity = 2 if flags & Flag.DEPTHWISE and flags & Flag.STRIDE2 else 1
        taps = descriptor.taps(d)
        words = d["in_blocks"] * taps
        tiles = -(-pixels // timing.tile_pixels(d, config))
        every = timing.interval(d, out_w, config)
        drain = timing.drains(d, config) * every
        gap = drain + 1 if flags & Flag.POOL else drain
        end_gap = max(gap, timing.POOL_GAP) if flags & Flag.POOL else drain
        lanes = 8 if flags & (Flag.DEPTHWISE | Flag.MAXIMUM) else 64
        squares = d["kernel"] ** 2 if flags & Flag.DEPTHWISE else taps
        images = 1 + d["extra_images"]
        x.macs = 0 if flags & Flag.MAXIMUM else images * pixels * d["out_blocks"] * lanes * d["in_blocks"] * squares

        ready = self.time + timing.setup(d, config)
        x.stalls["descriptor"] += ready - self.time
        self.time = ready
        if flags & Flag.TABLE:
            self._table(n, x)
        first = self.time
        for ob in range(0, d["out_blocks"], groups):
            blocks = range(ob, min(ob + groups, d["out_blocks"]))
            arrivals = [self.fetch.through(n, b) for b in blocks]
            self._set(x, arrivals, [self.fetch.rings[b % len(self.fetch.rings)] for b in blocks], words=words,
                      parity=parity, tiles=tiles, images=images, gap=gap, end_gap=end_gap,
                      scale=bool(flags & Flag.SCALE), residual=bool(flags & Flag.RESIDUAL))
        x.spans += [Span("compute", first, self.last + 1), Span("requantise", first + words, self.last + drain)]
        end = self.last + timing.DRAIN + drain - every
        # A pooled block is summed up while its last pixels are written.
        end += max(timing.POOL if flags & Flag.POOL else 0, timing.last_rows(d, out_w, config) - 1)
        end = max(end, self.time)
        x.spans.append(Span("write back", first + words + timing.DRAIN, end))
        x.stalls["writeback"] += end - self.time
        self.time = end

    def _table(self, n: int, x: LayerCycles) -> None:
        if n not in self.fetch.tables:
            self.fetch.through_table(n)
        begin = self.time
        for ready in self.fetch.tables[n]:
            wait = max(0.0, ready - self.time)
            x.stalls["weights"] += wait
            self.time += wait + timing.TABLE_WORD
        self.time += timing.TABLE
        self.fetch.rings[0].give(4, self.time - 1, 0.0)
        x.stalls["descriptor"] += timing.TABLE_WORD * 4 + timing.TABLE
        assert self.time >= begin

    def _set(self, x: LayerCycles, arrivals: list[Arrival], rings: list[Ring], *, words: int, parity: int, tiles: int,
             images: int, gap: int, end_gap: int, scale: bool, residual: bool) -> None:
        """One set of output blocks over all tiles of all images: words stay until the last tile of the last image."""
        steps = words * parity
        slots = len(arrivals) if residual else 0
        begin = self.time
        time = max(begin, max(a.params for a in arrivals)) + len(arrivals)
        x.stalls["weights"] += time - begin
        if scale:
            time += 1
            x.stalls["activations"] += 1
        begin = max(time, max(a.lag for a in arrivals))
        x.stalls["weights"] += begin - time
        last = begin + steps - 1
        wait = self.last + self.gap - last
        if wait > 0:
            x.stalls["requant"] += wait
            last += wait
        if tiles == images == 1:
            self._give_single(arrivals, rings, time, words, parity, last)
        else:
            each = max(steps + slots, gap)
            # The first tile of an image behind another one takes its gate before its first step.
            turn = max(steps + slots + scale, end_gap)
            x.stalls["requant"] += images * (tiles - 1) * (each - steps - slots)
            x.stalls["requant"] += (images - 1) * (turn - steps - slots - scale)
            x.stalls["activations"] += (images - 1) * scale
            last += images * (tiles - 1) * each + (images - 1) * turn
            start = last - (each - 1 - slots if tiles > 1 else turn - 1 - slots - scale)
            for ring in rings:
                ring.give(words - 1, start + parity - 1, parity)
                ring.give(2, last, 0.0)
        x.stalls["activations"] += images * tiles * slots
        x.busy += images * tiles * steps
        self.last, self.gap = last, end_gap
        self.time = last + 1 + slots

    @staticmethod
    def _give_single(arrivals: list[Arrival], rings: list[Ring], time: float, words: int, parity: int,
                     last: float) -> None:
        """Words are given back as they come: a tile alone is the first and the last of its set."""
        marks: dict[int, float] = {}
        for a in arrivals:
            for i, ready in a.pieces:
                marks[i // parity] = max(marks.get(i // parity, 0.0), ready)
        for ring in rings:
            given, now = 0, time
            for i in sorted(marks):
                # Up to word i, at the pace of the steps, and not before word i is there.
                count = min(i + 1, words - 1) - given
                now = max(now, marks[i] - parity * (i - given))
                ring.give(count, now + parity - 1, parity)
                now += parity * count
                given += max(count, 0)
            ring.give(2, last, 0.0)
