"""The single checks of the self-test.  Each returns a line that says what it saw, and raises CheckFailed otherwise."""
from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from nigiri.model import GoldenDevice
from nigiri.quick import examples
from nigiri.runtime.driver import WORD, Driver
from nigiri.runtime.engine import Engine
from nigiri.selftest.patterns import WORDS, patterns
from nigiri.spec import descriptor
from nigiri.spec.descriptor import Opcode
from nigiri.spec.registers import address

__all__ = ["CheckFailed", "clock", "inference", "interrupt", "memory", "registers", "round_trip", "speed", "subgraph"]

SCRATCH = ("WINDOW_BASE_HI", "WINDOW_SIZE", "PROGRAM_OFFSET", "PROGRAM_LENGTH", "FILL_OFFSET", "FILL_COUNT", "TIMEOUT")
"""Registers that hold whatever is written and mean nothing until something is started."""


class CheckFailed(Exception):
    """What a check saw instead of what it should have seen."""


def names_of(engine: Engine) -> list[str]:
    """The SubNets of a bundle, from the smallest to the largest."""
    return list(engine.compiled.programs)


def registers(driver: Driver) -> str:
    """Every bit of the registers that keep what is written; restores them."""
    device, count = driver.device, 0
    for name in SCRATCH:
        where, before = address(name), device.read_register(address(name))
        for value in (*WORDS, *(1 << bit for bit in range(32))):
            device.write_register(where, value)
            got = device.read_register(where)
            if got != value:
                raise CheckFailed(f"{name} holds {got:#010x} after {value:#010x} was written")
            count += 1
        device.write_register(where, before)
    return f"{count} values in {len(SCRATCH)} registers"


def memory(driver: Driver, nbytes: int) -> str:
    """Host to memory and back, at odd offsets and lengths, through whatever caches there are."""
    where = driver.device.alloc(nbytes)
    try:
        for name, data in patterns(nbytes):
            driver.device.write(where, data)
            _same(f"pattern {name}", driver.device.read(where, nbytes), data)
        for start, size in ((1, 1), (63, 2), (64, 64), (4095, 3), (nbytes - 5, 5)):
            data = np.arange(size, dtype=np.uint8) ^ 0x5A
            driver.device.write(where + start, data)
            _same(f"{size} bytes at {start}", driver.device.read(where + start, size), data)
    finally:
        driver.device.free(where)
    return f"{nbytes // 1024} KiB, {len(list(patterns(1)))} patterns, at {where:#x}"


def round_trip(driver: Driver) -> str:
    """Memory to the activation buffer and back by the accelerator's DMA, with guard words around the destination."""
    words = driver.config.ab_words // 8
    nbytes, source, target = words * WORD, 2, 2 + words + 1
    program = [descriptor.pack(opcode=Opcode.LOAD, mem_offset=source, length=8 * words, out_base=0),
               descriptor.pack(opcode=Opcode.STORE, mem_offset=target, length=8 * words, in_base=0)]
    at = target + words + 1
    driver.attach((at + 4) * WORD)
    try:
        driver.write(at, b"".join(program))
        guard = np.full(WORD, 0xC3, np.uint8)
        for name, data in patterns(nbytes, seed=1):
            driver.write(source, data)
            driver.write(target - 1, guard)
            driver.write(target + words, guard)
            driver.run(at, 2)
            _same(f"pattern {name}", driver.read(target, nbytes), data)
            for side in (target - 1, target + words):
                _same("the guard beside the destination", driver.read(side, WORD), guard)
    finally:
        driver.detach()
    return f"{nbytes // 1024} KiB in and out, {len(list(patterns(1)))} patterns"


def _same(what: str, got: np.ndarray, wanted: np.ndarray) -> None:
    wrong = np.flatnonzero(got != wanted)
    if wrong.size:
        n = int(wrong[0])
        raise CheckFailed(f"{what}: byte {n} is {got[n]:#04x}, not {wanted[n]:#04x} ({wrong.size} of {wanted.size} "
                          "wrong)")


def inference(engine: Engine, images: int, say: Callable[[str], None]) -> str:
    """Every SubNet against the golden model, every logit."""
    pictures, _ = examples(images)
    names = names_of(engine)
    with Engine(GoldenDevice(engine.compiled.config), engine.compiled) as golden:
        for name in names:
            say(name)
            for n, picture in enumerate(pictures):
                got, wanted = engine.infer(name, picture).logits, golden.infer(name, picture).logits
                if not np.array_equal(got, wanted):
                    raise CheckFailed(f"SubNet {name}, image {n}: logits {got.tolist()}, not {wanted.tolist()}")
    return f"{len(names)} SubNets x {images} images, all logits equal to the golden model"


def subgraph(engine: Engine) -> str:
    """A full persistent buffer changes bytes, and no result."""
    smallest, picture = names_of(engine)[0], examples(1)[0][0]
    before = engine.infer(smallest, picture)
    room, boxes = engine.compiled.config.pb_words, {}
    for layer in engine.compiled.layers:
        box = (layer.out_blocks, layer.in_blocks, layer.taps)
        size = box[0] * box[1] * box[2]
        if not layer.shared and size <= room:
            boxes[layer.id] = box
            room -= size
    change = engine.cache(boxes)
    after = engine.infer(smallest, picture)
    engine.cache({})
    if not np.array_equal(before.logits, after.logits):
        raise CheckFailed(f"logits are {after.logits.tolist()} with cached weights, not {before.logits.tolist()}")
    if engine.compiled.config.pb_words and not change.bytes_fill:
        raise CheckFailed("the fill read no weights")
    return f"{change.bytes_fill // 1024} KiB cached, same result"


def interrupt(engine: Engine) -> str:
    """Whether waits are ended by the interrupt."""
    device = engine.driver.device
    if not getattr(device, "interrupts", False):
        return "none here, STATUS is polled"
    woken = device.woken                                                     # type: ignore[attr-defined]
    largest = names_of(engine)[-1]
    for _ in range(4):
        engine.infer(largest, examples(1)[0][0])
    came = device.woken - woken                                              # type: ignore[attr-defined]
    if not came and engine.infer(largest, examples(1)[0][0]).counters.cycles:
        raise CheckFailed("no interrupt came in 4 inferences, polling ended every wait: check the interrupt controller "
                          "in the overlay and the kernel's uio devices")
    return f"{came} of 4 waits ended by it"


def clock(engine: Engine, seconds: float) -> str:
    """The clock as it is set, against the hardware's count of its cycles."""
    device = engine.driver.device
    built = device.read_register(address("CLOCK_KHZ")) / 1000
    wanted = float(getattr(device, "clock_mhz", built))
    text = f"{wanted:g} MHz, built for {built:g}"
    if wanted > built * 1.001:
        raise CheckFailed(f"{text}: too fast")
    if getattr(device, "simulated", True):
        return f"{text}; simulated, not measured"
    start, ticks = time.perf_counter(), device.read_register(address("TICKS"))
    time.sleep(seconds)
    passed = (device.read_register(address("TICKS")) - ticks) % 2**32
    got = passed / (time.perf_counter() - start) / 1e6
    if abs(got - wanted) > 0.02 * wanted:
        raise CheckFailed(f"{text}, but {got:.2f} MHz measured")
    return f"{text}; {got:.2f} MHz measured"


def speed(engine: Engine, rounds: int) -> str:
    """Inferences a second of the smallest and the largest SubNet, and what of it is the device's."""
    out, picture = [], examples(1)[0][0]
    for subnet in (names_of(engine)[0], names_of(engine)[-1]):
        start = time.perf_counter()
        answers = [engine.infer(subnet, picture) for _ in range(rounds)]
        took = (time.perf_counter() - start) / rounds * 1e3
        out.append(f"{subnet} {took:.2f} ms ({engine.latency_ms(answers[0]):.3f} ms on the device)")
    return ", ".join(out)
