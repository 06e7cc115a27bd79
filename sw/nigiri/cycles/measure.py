"""Cycles of every descriptor of a program as a device measures them."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nigiri.compiler import CompiledBundle
from nigiri.cycles.layers import RandomProgram
from nigiri.runtime.counters import Counters, read_counters
from nigiri.runtime.driver import WORD, Driver
from nigiri.runtime.placement import Box, entries, place
from nigiri.spec.registers import Control, Status, address

__all__ = ["measure_program", "measure_random", "run_marked"]


def measure_random(driver: Driver, program: RandomProgram) -> list[int]:
    """Cycles of every descriptor of a random program, with its prefixes in the persistent buffer before it starts."""
    driver.reset()
    driver.attach(program.image.size)
    driver.write(0, program.image)
    if program.fills:
        driver.fill(program.fills, program.fill_offset)
    if len(program.program) == 1:
        return [driver.run(0, 1, timeout_s=1000.0).cycles]
    return run_marked(driver, 0, len(program.program))[0]


def measure_program(driver: Driver, compiled: CompiledBundle, subnet: str,
                    resident: Mapping[int, Box]) -> tuple[list[int], Counters]:
    """(cycles of every descriptor, counters of the whole run) of a SubNet's program.

    The input is not written: no descriptor's time depends on it.
    """
    driver.reset()
    driver.attach(compiled.window_words * WORD)
    driver.write(0, compiled.image)
    if resident:
        todo = entries({}, place(resident, {}, compiled.config.pb_words), compiled.layers)
        driver.fill(todo, compiled.fill_offset)
    return run_marked(driver, *compiled.program(subnet))


def run_marked(driver: Driver, first: int, count: int) -> tuple[list[int], Counters]:
    """Run the `count` descriptors from word `first` of the attached window: (cycles of each, counters of the run).

    Raises
    ------
    DeviceTimeout: it does not end.  Another error of the device shows in fewer marks, and is for the caller to find.
    """
    driver.set_register("PROGRAM_OFFSET", first)
    driver.set_register("PROGRAM_LENGTH", count)
    driver.set_register("CONTROL", Control.START)
    marks = _marks(driver, count - 1)
    driver.device.wait(Status.BUSY, 10_000.0)
    counters = read_counters(driver.device.read_register)
    return [int(n) for n in np.diff([0, *marks, counters.cycles])], counters


def _marks(driver: Driver, wanted: int) -> list[int]:
    """Cycle in which each of the first `wanted` descriptors is done, seen from the counters of the running program.

    Between two descriptors the array waits for the next one, from the very cycle in which the last is done; so the
    number of those cycles says how long ago that was.
    """
    read = driver.device.read_register
    waits, clock = address("STALL_DESCRIPTOR"), address("CYCLES")
    work = [address(name) for name in ("BUSY", "STALL_ACTIVATIONS")]
    # A read takes as long as any other, so the clock stands this far behind the counter that was read before it.
    before = read(clock)
    late = read(clock) - before
    marks: list[int] = []
    seen, done = read(waits), sum(read(n) for n in work)
    while len(marks) < wanted:
        now = read(waits)
        if now == seen:
            continue
        time = read(clock) - late
        did = sum(read(n) for n in work)
        if did != done:                    # not a layer that still sets itself up
            marks.append(time - (now - seen) + 1)
            done = did
        while (seen := read(waits)) != now:
            now = seen
    return marks
