"""The fetch unit: asks for tables, parameters and weights ahead of the array, as far as the rings have room."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nigiri.cycles.reads import ReadPath
from nigiri.cycles.rings import Ring, Run
from nigiri.cycles.timing import CHUNK, COPY_RUN, FENCE, FETCH_CHECK, WRITTEN
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode, taps

__all__ = ["Arrival", "Box", "Fetch"]

Box = tuple[int, int, int]
"""Output blocks, input blocks, taps of a layer that are resident."""


@dataclass
class Arrival:
    """What the fetch unit did for one output block.

    Attributes
    ----------
    parameter: the cycle from which the parameter word is ready, as the only piece.
    pieces: (step, cycle from which its word and all before it are ready), for some steps.
    copied: what is asked for later may still hold the words up, as those from the persistent buffer.
    """

    parameter: list[tuple[int, float]]
    pieces: list[tuple[int, float]]
    copied: bool

    @property
    def params(self) -> float:
        """Cycle from which the parameter word is ready."""
        return self.parameter[0][1]

    @property
    def lag(self) -> float:
        """Cycle in which the first step must be, so that no later step waits."""
        return max(ready - i for i, ready in self.pieces)

    @property
    def ready(self) -> float:
        """Cycle from which all words are there."""
        return max(ready for _, ready in self.pieces)


@dataclass
class Traffic:
    """Bytes and time of one descriptor's fetches."""

    weights: int = 0
    pb: int = 0
    tables: int = 0
    spans: dict[str, list[float]] = field(default_factory=dict)

    def span(self, track: str, first: float, last: float) -> None:
        """Something happened on `track` from `first` to `last`."""
        now = self.spans.setdefault(track, [first, last])
        now[1] = max(now[1], last)


class Fetch:
    """Runs through a program behind :attr:`limit` (a time) or up to a block that the array needs.

    Attributes
    ----------
    known: cycle in which a descriptor has arrived, for those asked for.
    reached: cycle in which the array has come to a descriptor, for those that it has come to.
    popped: cycle in which the fetch unit is done with a descriptor, for those it is done with.
    tables: cycle from which a layer's table is ready.
    arrivals: (descriptor, output block) to what arrived.
    traffic: by descriptor.
    """

    def __init__(self, program: Sequence[dict[str, int]], config: AcceleratorConfig, resident: Mapping[int, Box],
                 reads: ReadPath):
        self.program, self.config, self.resident, self.reads = program, config, resident, reads
        self.rings = [Ring(config.ring_words) for _ in range(config.groups)]
        self.known: list[float] = []
        self.reached: list[float] = []
        self.popped: list[float] = []
        self.tables: dict[int, list[float]] = {}
        self.arrivals: dict[tuple[int, int], Arrival] = {}
        self.traffic = [Traffic() for _ in program]
        self.limit = 0.0
        self.time = 0.0
        self.done = False
        self._walk = self._run()

    def until(self, time: float) -> None:
        """Everything that is asked for before cycle `time`."""
        self.limit = time
        while self._go():
            pass

    def through(self, descriptor: int, block: int) -> Arrival:
        """Everything up to the words of an output block."""
        self.limit = float("inf")
        key = (descriptor, block)
        while key not in self.arrivals:
            if not self._go():
                raise AssertionError(f"descriptor {descriptor}, block {block}: the fetch unit waits for the array")
        arrival = self.arrivals.pop(key)
        asked = 0.0
        while arrival.copied and asked < arrival.ready:
            asked = arrival.ready
            self.until(asked)
        return arrival

    def through_table(self, descriptor: int) -> None:
        """Everything up to a layer's table."""
        self.limit = float("inf")
        while descriptor not in self.tables and self._go():
            pass

    def _go(self) -> bool:
        """Run to the next stop; false when that is for a reason that only others can remove."""
        if self.done:
            return False
        self.waits = False
        if next(self._walk, None) is None:
            self.done = True
        return not self.waits

    def _room(self, ring: Ring, count: int) -> Iterator[float]:
        """Wait for `count` places of a ring; the last value is the time."""
        while True:
            at = ring.room(count)
            if at is not None and max(at, self.time) < self.limit:
                self.time = max(at, self.time)
                return
            self.waits = True
            yield 0.0

    def _run(self) -> Iterator[float]:
        for n, d in enumerate(self.program):
            while len(self.known) <= n or self.known[n] >= self.limit:
                self.waits = True
                yield 0.0
            self.time = max(self.time, self.known[n])
            if d["opcode"] == Opcode.CONV:
                self.time += FETCH_CHECK
                if d["flags"] & Flag.PRODUCT:        # its operand is complete when all before it has ended
                    while len(self.reached) <= n or self.reached[n] + FENCE >= self.limit:
                        self.waits = True
                        yield 0.0
                    self.time = max(self.time, self.reached[n] + FENCE)
                yield from self._conv(n, d)
                self.popped.append(self.time)
                self.time += 1
            else:
                self.time += 5
                self.popped.append(self.time)
                self.time += 1

    def _ask(self, ring: Ring, offset: int, count: int, index: int, step: int, pieces: list[tuple[int, float]],
             traffic: Traffic) -> None:
        known = len(pieces)
        at = self.reads.ask(self.time, offset, count, index, step, pieces)
        if self.resident:
            times: list[float] = []
            word = self.reads.beats * self.reads.beat
            for i, ready in pieces[known:]:
                times += [ready - WRITTEN - word * k for k in range((i - index) // step + 1)]
                index = i + step
            ring.write(times)
        traffic.span("fetch", at, pieces[-1][1])
        ring.asked += count
        self.time = at + 1

    def _copy(self, ring: Ring, count: int, index: int, step: int, pieces: list[tuple[int, float]],
              traffic: Traffic) -> None:
        at = max(self.time, ring.queued())
        pieces.append((index + step * (count - 1), 0.0))
        ring.copy(run := Run(at + 1, count, pieces, len(pieces) - 1))
        traffic.span("fill", run.start, run.end)
        ring.asked += count
        self.time = at + 1

    def _conv(self, n: int, d: dict[str, int]) -> Iterator[float]:
        traffic, rings = self.traffic[n], self.rings
        if d["flags"] & Flag.TABLE:
            yield from self._room(rings[0], 4)
            pieces: list[tuple[int, float]] = []
            self._ask(rings[0], d["table_offset"], 4, 0, 1, pieces, traffic)
            # The words of a burst come one after the other.
            word = self.reads.beats * self.reads.beat
            self.tables[n] = [next(t - (i - k) * word for i, t in pieces if i >= k) for k in range(4)]
            traffic.tables += 256
            yield 1.0
        step = 2 if d["flags"] & Flag.DEPTHWISE and d["flags"] & Flag.STRIDE2 else 1
        t = taps(d)
        product, transpose = d["flags"] & Flag.PRODUCT, d["flags"] & Flag.TRANSPOSE
        box = (0, 0, 0) if product else self.resident.get(d["layer"], (0, 0, 0))
        merged = transpose or (t == d["w_taps"] and (not box[0] or box[2] == t))
        pitch = (d["w_taps"] if transpose else 1) if product else d["w_blocks"] * d["w_taps"]
        for ob in range(d["out_blocks"]):
            ring = rings[ob % len(rings)]
            yield from self._room(ring, 1)
            parameter: list[tuple[int, float]] = []
            self._ask(ring, d["param_offset"] + ob, 1, 0, 1, parameter, traffic)
            traffic.tables += 64
            pieces = []
            row = d["mem_offset"] + ob * pitch
            hit = ob < box[0]
            if merged:
                runs = [(0, d["in_blocks"] * t, min(d["in_blocks"], box[1]) * t if hit else 0)]
            else:
                runs = [(ib * d["w_taps"], t, min(box[2], t) if hit and ib < box[1] else 0)
                        for ib in range(d["in_blocks"])]
            index = 0
            for at, words, near in runs:
                self.time += 1
                left = near
                while left:
                    count = min(left, COPY_RUN)
                    yield from self._room(ring, count)
                    self._copy(ring, count, step * index, step, pieces, traffic)
                    index += count
                    left -= count
                traffic.pb += 64 * near
                offset, left = row + at + near, words - near
                traffic.weights += 64 * left
                while left:
                    count = CHUNK if left > CHUNK else left
                    room = ring.room(count)
                    if room is None or max(room, self.time) >= self.limit:
                        yield from self._room(ring, count)
                    elif room > self.time:
                        self.time = room
                    self._ask(ring, offset, count, step * index, step, pieces, traffic)
                    index += count
                    offset += count
                    left -= count
            self.arrivals[n, ob] = Arrival(parameter, pieces, self.reads.turns or any(near for _, _, near in runs))
            yield 1.0
