"""A soft reset in every state of a program and of a fill: the device is as new, and nothing is written afterwards."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.model import GoldenDevice
from nigiri.model.programs import Limits, execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.spec import get_config
from nigiri.spec.registers import Control

pytestmark = pytest.mark.verilator
CONFIG = get_config("tiny")


@pytest.mark.parametrize("memory", ["ddr3_z2", "slow", "ideal"])
def test_reset_at_any_cycle(rtl, memory):
    rng = np.random.default_rng(17)
    program = next(p for p in (random_program(rng, CONFIG, Limits(side=8, layers=3, budget=3000)) for _ in range(100))
                   if len(p.fill_entries) >= 2 and p.n_descriptors > 6)
    want, _ = execute(Driver(GoldenDevice(CONFIG)), program)
    device = rtl("tiny", memory)
    driver = Driver(device)
    _, counters = execute(driver, program)
    step = max(1, counters.cycles // 90)
    for cycles in range(1, counters.cycles + 200, step):
        driver.reset()
        driver.attach(program.image.size)
        driver.write(0, program.image)
        driver.start_fill(program.fill_entries, program.fill_offset)
        driver.set_register("PROGRAM_OFFSET", program.program_offset)
        driver.set_register("PROGRAM_LENGTH", program.n_descriptors)
        driver.set_register("CONTROL", Control.START)
        device.step(cycles)
        driver.reset()
        at_reset = driver.read(0, program.image.size)
        device.step(300)
        assert np.array_equal(driver.read(0, program.image.size), at_reset), f"written after the reset, cycle {cycles}"
        got, _ = execute(driver, program)
        assert np.array_equal(got, want), f"reset after {cycles} cycles"


def test_bursts_under_way(rtl):
    """No more than eight bursts of a port are under way, and where the memory is slow there are that many."""
    device = rtl("tiny", "ideal")
    driver = Driver(device)
    for seed in range(20):
        execute(driver, random_program(np.random.default_rng(seed), CONFIG))
    most = device.statistics()[0]
    assert 2 <= most["most_reads"] <= 8 and most["most_writes"] <= 16
