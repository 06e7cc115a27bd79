"""The read side of the memory: requests become bursts, bursts share ports, memory and the bus into the chip."""
from __future__ import annotations

from math import ceil

from nigiri.cycles.bus import Burst, SharedBus
from nigiri.cycles.timing import LANE_QUEUE, OUTSTANDING, READY
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting

__all__ = ["ReadPath", "read_path"]

CROWDED = 1.1
"""Words a cycle of all ports together from which on the turns that they take on the bus are worth following."""


class ReadPath:
    """Read DMA, ports and memory as queues, burst by burst; requests must come in order of time.

    Attributes
    ----------
    ready: first cycle in which the next request can be taken.
    turns: what is appended to `pieces` may still change, until its cycle is past.
    """

    turns = False

    def __init__(self, config: AcceleratorConfig, memory: MemorySetting):
        self.ports, self.most = config.ports, config.burst_words
        self.beats = 512 // config.port_bits
        self.beat = 1 / memory.efficiency
        total = memory.peak_gbs * 1e3 / config.clock_mhz * memory.efficiency
        self.shared = max(64 / total, 1.0)             # the memory, and one word a cycle on the bus
        self.latency, self.outstanding = memory.latency, min(memory.outstanding, OUTSTANDING)
        self.ready = 0.0
        self.turn = 0
        self.served = 0.0
        self.free = [0.0] * config.ports
        self.accepted = [0.0] * config.ports
        self.ends = [[0.0] * OUTSTANDING for _ in range(config.ports)]
        self.takes = [[0.0] * LANE_QUEUE for _ in range(config.ports)]

    def ask(self, at: float, offset: int, count: int, index: int, step: int, pieces: list[tuple[int, float]]) -> float:
        """Request `count` words from `offset`; returns the cycle in which the request is taken.

        Appends (index of a word, cycle from which it and all before it in this request are ready) to `pieces` for the
        last word of every burst; the first word has `index`, and every following one is `step` further.
        """
        taken = deal = at if at > self.ready else self.ready
        most, latency, shared, beat, outstanding = self.most, self.latency, self.shared, self.beat, self.outstanding
        p = self.turn
        while count:
            room = most - offset % most
            n = count if count < room else room
            beats = n * self.beats
            ends, takes = self.ends[p], self.takes[p]
            deal = max(deal, takes[-LANE_QUEUE]) + 1
            take = max(deal + 1, self.accepted[p], ends[-OUTSTANDING] + 1)
            accepted = max(take + 1, ends[-outstanding] + 1)
            start = accepted + latency
            served = self.served
            self.served = served = (served if served > start else start) + n * shared
            # The rate is kept on average; a beat may come one cycle before its time.
            free = self.free[p]
            free = max((free if free > start else start) + beats * beat, served)
            end = max(ceil(free - beat - 1), ends[-1] + beats, start + beats - 1)
            takes.append(take)
            ends.append(end)
            self.accepted[p] = accepted
            self.free[p] = free
            index += step * n
            pieces.append((index - step, end + READY))
            offset += n
            count -= n
            p = p + 1 if p + 1 < self.ports else 0
        self.turn = p
        self.ready = deal
        return taken


class CrowdedReadPath(ReadPath):
    """The same where the ports take turns on the bus; every word of a burst follows the others."""

    turns = True

    def __init__(self, config: AcceleratorConfig, memory: MemorySetting):
        super().__init__(config, memory)
        self.bus = SharedBus(self.ports, 1 / (self.beats * self.beat), 1 / self.shared)
        first = [Burst(0.0, 0.0) for _ in range(OUTSTANDING)]
        self.sent = [list(first) for _ in range(self.ports)]
        self.open: list[tuple[Burst, list[tuple[int, float]], int, int]] = []

    def ask(self, at: float, offset: int, count: int, index: int, step: int, pieces: list[tuple[int, float]]) -> float:
        taken = deal = max(at, self.ready)
        self.bus.advance(taken + self.latency)
        while count:
            p, n = self.turn, min(count, self.most - offset % self.most)
            sent, takes = self.sent[p], self.takes[p]
            if sent[-self.outstanding].left and not sent[-self.outstanding].end:
                self.bus.guess()                             # of this request, and this burst waits for its end
            deal = max(deal, takes[-LANE_QUEUE]) + 1
            take = max(deal + 1, self.accepted[p], sent[-OUTSTANDING].end + 1)
            self.accepted[p] = accepted = max(take + 1, sent[-self.outstanding].end + 1)
            burst = Burst(accepted + self.latency, float(n))
            self.bus.queues[p].append(burst)
            sent.append(burst)
            takes.append(take)
            index += step * n
            self.open.append((burst, pieces, len(pieces), index - step))
            pieces.append((index - step, 0.0))
            offset, count = offset + n, count - n
            self.turn = p + 1 if p + 1 < self.ports else 0
        self.ready = deal
        self.bus.guess()
        for burst, where, place, last in self.open:
            where[place] = last, ceil(burst.end - self.beat - 1) + READY
        self.open = [x for x in self.open if x[0].left]
        return taken


def read_path(config: AcceleratorConfig, memory: MemorySetting) -> ReadPath:
    """The read path of a configuration: the detailed one where the ports crowd the bus."""
    path = ReadPath(config, memory)
    crowd = path.ports / (path.beats * path.beat) * path.shared
    return CrowdedReadPath(config, memory) if path.ports > 1 and crowd >= CROWDED else path
