"""Driving a component cycle by cycle in the Amaranth simulator, and a small AXI memory with stalls."""
from __future__ import annotations

import random
from collections import deque

from amaranth.hdl import Cat

from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri_sim.streams import simulate

__all__ = ["ReadMemory", "WriteMemory", "layer_bits", "mask", "put", "run", "signed", "small", "take", "words_of"]


def small(**changes) -> AcceleratorConfig:
    """A configuration for component tests; `changes` replace fields."""
    fields = {"name": "small", "lanes": 4, "requant_pixels": 2, "ab_words": 256, "db_words": 64, "pb_words": 64,
              "ports": 1, "port_bits": 64, "layers": 8}
    return AcceleratorConfig(**{**fields, **changes})


def mask(bits: int) -> int:
    return (1 << bits) - 1


def signed(value: int, bits: int) -> int:
    """The two's complement reading of the low `bits` of `value`."""
    return (value + (1 << bits - 1) & mask(bits)) - (1 << bits - 1)


def words_of(value: int, count: int, bits: int = 64) -> list[int]:
    """`value` cut into `count` words, the lowest first."""
    return [value >> bits * n & mask(bits) for n in range(count)]


def put(ctx, signals, values) -> None:
    """Set an array of unsigned ports."""
    for signal, value in zip(signals, values, strict=True):
        ctx.set(signal, value)


def take(ctx, signals) -> list[int]:
    """Read an array of ports."""
    return [ctx.get(signal) for signal in signals]


def layer_bits(**fields: int) -> int:
    """A descriptor as the number that its 1,024 bits are; without `out_h` it computes the whole map."""
    stride = 2 if fields.get("flags", 0) & descriptor.Flag.STRIDE2 else 1
    fields.setdefault("out_h", descriptor.out_rows(fields.get("in_h", 0), stride))
    return int.from_bytes(descriptor.pack(**fields), "little")


def run(dut, testbench, *, cycles: int = 20_000) -> None:
    """Run one testbench to its end, or fail after `cycles`."""
    simulate(dut, testbench, cycles=cycles)


def check_burst(address: int, length: int, size: int, burst: int, bits: int) -> None:
    """The rules for every burst: INCR, full width, at most 16 beats, word-aligned, inside a page."""
    count = (length + 1) * bits // 8
    assert burst == 1 and 8 << size == bits and length < 16, "not an INCR burst of at most 16 full beats"
    assert address % 64 == 0 and count % 64 == 0, f"{count} bytes at {address:#x} are not whole words"
    assert address >> 12 == (address + count - 1) >> 12, f"{count} bytes at {address:#x} cross a page"


class ReadMemory:
    """Answers one AXI read port; word n of memory holds `content(n)`.

    Call `drive` before reading any output of a cycle and `step` after.  `bad` holds the byte addresses of words
    that are answered with SLVERR.  stalls: probability that address or data wait in a cycle.
    """

    def __init__(self, axi, bits: int, content, *, stalls: float = 0.0, latency: int = 3, seed: int = 0):
        self.axi, self.bits, self.content = axi, bits, content
        self.stalls, self.latency = stalls, latency
        self.dice = random.Random(f"read {seed}")
        self.beats: deque[tuple[int, int, int, int]] = deque()          # ready at, data, resp, last
        self.bursts: list[tuple[int, int]] = []
        self.bad: set[int] = set()
        self.now, self.offer, self.held = 0, False, None

    def drive(self, ctx) -> None:
        self.offer = bool(self.beats) and self.beats[0][0] <= self.now and (
            self.offer or self.dice.random() >= self.stalls)
        ctx.set(self.axi.arready, self.dice.random() >= self.stalls)
        ctx.set(self.axi.rvalid, self.offer)
        if self.offer:
            _, data, resp, last = self.beats[0]
            beat = data | resp << self.bits | last << self.bits + 2
            ctx.set(Cat(self.axi.rdata, self.axi.rresp, self.axi.rlast), beat)

    def step(self, ctx) -> None:
        self.now += 1
        if self.offer and ctx.get(self.axi.rready):
            self.beats.popleft()
            self.offer = False
        asked = None
        if ctx.get(self.axi.arvalid):
            asked = take(ctx, (self.axi.araddr, self.axi.arlen, self.axi.arsize, self.axi.arburst))
        assert self.held is None or asked == self.held, "a burst changed or went away before it was accepted"
        self.held = asked
        if asked and ctx.get(self.axi.arready):
            self.held = None
            check_burst(*asked, self.bits)
            address, length = asked[:2]
            self.bursts.append((address, length + 1))
            per_word = 512 // self.bits
            for n in range(length + 1):
                word = address // 64 + n // per_word
                data = self.content(word) >> n % per_word * self.bits & mask(self.bits)
                resp = 2 if 64 * word in self.bad else 0
                self.beats.append((self.now + self.latency, data, resp, int(n == length)))

    @property
    def quiet(self) -> bool:
        return not self.beats and self.held is None


class WriteMemory:
    """Takes what one AXI write port writes into `memory` (word number -> value).  See ReadMemory for the rest."""

    def __init__(self, axi, bits: int, *, stalls: float = 0.0, latency: int = 3, seed: int = 0):
        self.axi, self.bits, self.stalls, self.latency = axi, bits, stalls, latency
        self.dice = random.Random(f"write {seed}")
        self.memory: dict[int, int] = {}
        self.order: list[int] = []
        self.bad: set[int] = set()
        self.bursts: deque[tuple[int, int]] = deque()
        self.beats: deque[int] = deque()
        self.answers: deque[tuple[int, int]] = deque()
        self.now, self.offer, self.held_address, self.held_data, self.count = 0, False, None, None, 0

    def drive(self, ctx) -> None:
        self.offer = bool(self.answers) and self.answers[0][0] <= self.now and (
            self.offer or self.dice.random() >= self.stalls)
        ctx.set(self.axi.awready, self.dice.random() >= self.stalls)
        ctx.set(self.axi.wready, self.dice.random() >= self.stalls)
        ctx.set(self.axi.bvalid, self.offer)
        ctx.set(self.axi.bresp, self.answers[0][1] if self.offer else 0)

    def step(self, ctx) -> None:
        self.now += 1
        axi = self.axi
        if self.offer and ctx.get(axi.bready):
            self.answers.popleft()
            self.offer = False
        asked = take(ctx, (axi.awaddr, axi.awlen, axi.awsize, axi.awburst)) if ctx.get(axi.awvalid) else None
        assert self.held_address is None or asked == self.held_address, "a burst changed before it was accepted"
        self.held_address = asked
        if asked and ctx.get(axi.awready):
            self.held_address = None
            check_burst(*asked, self.bits)
            self.bursts.append((asked[0], asked[1] + 1))
        beat = take(ctx, (axi.wdata, axi.wstrb, axi.wlast)) if ctx.get(axi.wvalid) else None
        assert self.held_data is None or beat == self.held_data, "a beat changed before it was accepted"
        self.held_data = beat
        if beat and ctx.get(axi.wready):
            self.held_data = None
            assert beat[1] == mask(self.bits // 8), "a beat does not write all its bytes"
            self.beats.append(beat[0])
            self.count = 0 if beat[2] else self.count + 1
            assert bool(beat[2]) == (len(self.beats) % (512 // self.bits) == 0), "wlast is not at the end of the burst"
        per_word = 512 // self.bits
        while self.bursts and len(self.beats) >= per_word:
            address, beats = self.bursts.popleft()
            assert beats == per_word, "a burst is longer than a word"
            self.memory[address // 64] = sum(self.beats.popleft() << self.bits * n for n in range(per_word))
            self.order.append(address // 64)
            self.answers.append((self.now + self.latency, 2 if address in self.bad else 0))

    @property
    def quiet(self) -> bool:
        return not (self.bursts or self.beats or self.answers or self.held_address or self.held_data)
