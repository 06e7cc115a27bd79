"""Random layer programs on the RTL: every byte of the window and every byte counter equal the golden model's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nigiri.model.device import GoldenDevice
from nigiri.model.programs import execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.spec import get_config

PROGRAMS = {"tiny": 160, "small": 120}
"""Programs for a machine of two lanes, and for one whose lanes work on up to four output blocks."""
SETTINGS = (("ddr3_z2", 0.0), ("slow", 0.0), ("ideal", 0.0), ("ideal", 0.3))
BATCH = 20


def byte_counters(counters) -> dict[str, int]:
    return {k: v for k, v in dataclasses.asdict(counters).items() if k.startswith("bytes_")}


@pytest.mark.verilator
@pytest.mark.parametrize(("name", "first"), [(n, first) for n in PROGRAMS for first in range(0, PROGRAMS[n], BATCH)])
def test_rtl_equals_golden(rtl, name, first):
    config = get_config(name)
    golden = Driver(GoldenDevice(config))
    for seed in range(first, first + BATCH):
        memory, stalls = SETTINGS[seed % len(SETTINGS)]
        hardware = Driver(rtl(name, memory, stalls))
        program = random_program(np.random.default_rng(seed), config)
        where = f"seed {seed}, memory {memory}, stalls {stalls}: {program.description}"
        want, want_counters = execute(golden, program)
        got, counters = execute(hardware, program)
        assert np.array_equal(got, want), where
        assert byte_counters(counters) == byte_counters(want_counters), where
        assert counters.cycles == (
            counters.busy
            + counters.stall_weights
            + counters.stall_activations
            + counters.stall_requant
            + counters.stall_writeback
            + counters.stall_descriptor
        ), where


@pytest.mark.verilator
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("seed", [5, 17])
def test_residency_changes_no_result(rtl, name, seed):
    program = random_program(np.random.default_rng(seed), get_config(name))
    hardware = Driver(rtl(name, "ddr3_z2"))
    with_cache, near = execute(hardware, program, resident=True)
    without, far = execute(hardware, program, resident=False)
    assert np.array_equal(with_cache, without)
    assert near.bytes_weights_dram + near.bytes_weights_pb == far.bytes_weights_dram
    assert far.bytes_weights_pb == 0


@pytest.mark.verilator
@pytest.mark.parametrize(("name", "memory"), [("tiny", "ddr3_z2"), ("tiny", "ideal"), ("small", "ideal")])
def test_programs_follow_each_other_without_reset(rtl, name, memory):
    """The next program's registers are written while the hardware still remembers the previous one."""
    config = get_config(name)
    programs = [random_program(np.random.default_rng(seed), config) for seed in range(300, 312)]
    golden, hardware = Driver(GoldenDevice(config)), Driver(rtl(name, memory))
    window = max(p.image.size for p in programs)
    for driver in (golden, hardware):
        driver.reset()
        driver.attach(window)
    for seed, program in enumerate(programs, 300):
        got = []
        for driver in (golden, hardware):
            driver.write(0, program.image)
            driver.run(program.program_offset, program.n_descriptors)
            got.append(driver.read(0, program.image.size))
        assert np.array_equal(*got), f"seed {seed}: {program.description}"
