"""Whatever goes wrong on the RTL becomes a typed exception with a clear sentence, and a soft reset recovers."""

from __future__ import annotations

import numpy as np
import pytest

from nigiri.model.device import GoldenDevice
from nigiri.model.programs import execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.runtime.errors import (
    DescriptorError,
    FillError,
    MemoryReadError,
    MemoryWriteError,
    NeedsReset,
    ProgramTimeout,
    WindowError,
    WrongConfiguration,
)
from nigiri.spec import descriptor, get_config, residency
from nigiri.spec.descriptor import Opcode
from nigiri.spec.errors import ErrorCode

pytestmark = pytest.mark.verilator
CONFIG = get_config("tiny")
PAGE_WORDS = 64


@pytest.fixture
def device(rtl):
    got = rtl("tiny", "ddr3_z2")
    yield got
    got.memory.heal()


@pytest.fixture
def driver(device):
    driver = Driver(device, timeout_cycles=3000)
    driver.reset()
    driver.attach(16 * 4096)
    yield driver
    device.memory.heal()
    driver.reset()
    works(driver)


def works(driver: Driver) -> None:
    """A random program still gives the golden result."""
    program = random_program(np.random.default_rng(3), CONFIG)
    want, _ = execute(Driver(GoldenDevice(CONFIG)), program)
    got, _ = execute(driver, program)
    assert np.array_equal(got, want)


def load(offset: int = 512, **changes: int) -> bytes:
    return descriptor.pack(**{"opcode": Opcode.LOAD, "out_base": 0, "length": 64, "mem_offset": offset, **changes})


def store(offset: int = 512) -> bytes:
    return descriptor.pack(opcode=Opcode.STORE, in_base=0, length=64, mem_offset=offset)


def conv(**changes: int) -> bytes:
    return descriptor.pack(
        **{
            "opcode": Opcode.CONV,
            "kernel": 1,
            "in_w": 4,
            "in_h": 4,
            "out_h": 4,
            "out_blocks": 2,
            "in_blocks": 2,
            "in_stride": 16,
            "out_base": 256,
            "out_stride": 16,
            "mem_offset": 64,
            "w_taps": 1,
            "w_blocks": 2,
            "param_offset": 32,
            **changes,
        }
    )


def fails(driver: Driver, program: list[bytes], error: type[Exception], index: int, code: ErrorCode) -> None:
    driver.write(0, b"".join(program))
    with pytest.raises(error) as caught:
        driver.run(0, len(program), timeout_s=5)
    assert caught.value.index == index and caught.value.code == code
    assert str(index) in str(caught.value)
    with pytest.raises(NeedsReset):
        driver.run(0, 1)


@pytest.mark.parametrize(
    "bad",
    [
        conv(kernel=2),
        conv(in_w=0),
        conv(in_h=1024),
        conv(out_blocks=0),
        conv(in_blocks=256),
        conv(layer=16),
        conv(out_h=0),
        conv(y_first=1020),
        conv(split=1),
        conv(flags=1, kernel=3, in_blocks=2),
        conv(flags=128, kernel=1, in_blocks=1),
        conv(flags=129, kernel=3, in_blocks=1),
        conv(flags=16, out_phase=5),
        load(length=60),
        load(length=0),
        load(out_base=4),
        descriptor.pack(opcode=9),
        load(magic=0),
    ],
)
def test_bad_descriptor(driver, bad):
    fails(driver, [load(), bad, load()], DescriptorError, 1, ErrorCode.DESCRIPTOR)


@pytest.mark.parametrize(
    "bad",
    [
        load(offset=16 * PAGE_WORDS - 7),
        store(16 * PAGE_WORDS),
        conv(mem_offset=16 * PAGE_WORDS - 3),
        conv(param_offset=16 * PAGE_WORDS - 1),
        conv(flags=4, table_offset=16 * PAGE_WORDS - 2),
        load(offset=2**32 - 1),
    ],
)
def test_transfer_outside_the_window(driver, device, bad):
    before = device.statistics()[0]
    fails(driver, [load(), load(), bad], WindowError, 2, ErrorCode.WINDOW)
    assert device.statistics()[0]["write_bytes"] == before["write_bytes"]


def test_program_outside_the_window(driver):
    with pytest.raises(WindowError) as caught:
        driver.run(16 * PAGE_WORDS + 8, 2)
    assert caught.value.index == 0


@pytest.mark.parametrize(
    ("word", "program"),
    [
        (512, [load(128), load(128), load(512)]),
        (66, [load(128), load(128), conv()]),
        (33, [load(128), load(128), conv()]),
        (4, [load(128), load(128), load(128)]),
    ],
    ids=["activations", "weights", "parameters", "descriptor"],
)
def test_read_error_from_memory(driver, device, word, program):
    device.memory.inject(driver.base + 64 * word, 64, "error")
    fails(driver, program, MemoryReadError, 2, ErrorCode.AXI_READ)


def test_write_error_from_memory(driver, device):
    device.memory.inject(driver.base + 64 * 600, 64, "error")
    fails(driver, [load(), store(600), load()], MemoryWriteError, 1, ErrorCode.AXI_WRITE)


def test_silent_memory(driver, device):
    device.memory.inject(driver.base + 64 * 512, 64, "silent")
    fails(driver, [load(128), load(512)], ProgramTimeout, 1, ErrorCode.TIMEOUT)


def entry(**changes: int) -> bytes:
    return residency.pack(
        **{
            "layer": 1,
            "out_blocks": 2,
            "in_blocks": 3,
            "taps": 1,
            "pb_base": 0,
            "mem_offset": 64,
            "w_taps": 1,
            "w_blocks": 3,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("entries", "index", "code"),
    [
        ([entry(), entry(layer=2, pb_base=510)], 1, ErrorCode.FILL_RANGE),
        ([entry(), entry(layer=2, pb_base=5)], 1, ErrorCode.FILL_OVERLAP),
        ([entry(layer=99)], 0, ErrorCode.FILL_ENTRY),
        ([entry(taps=2)], 0, ErrorCode.FILL_ENTRY),
        ([entry(mem_offset=16 * PAGE_WORDS - 3)], 0, ErrorCode.WINDOW),
    ],
)
def test_bad_fill(driver, entries, index, code):
    with pytest.raises(FillError) as caught:
        driver.fill(entries, 8)
    assert (caught.value.index, caught.value.code) == (index, code)


def test_read_error_during_fill(driver, device):
    device.memory.inject(driver.base + 64 * 67, 64, "error")
    with pytest.raises(FillError) as caught:
        driver.fill([entry()], 8)
    assert caught.value.code == ErrorCode.AXI_READ


def test_silent_memory_during_fill(driver, device):
    """A fill that waits for ever is stopped like a program, and a reset makes the device usable again."""
    for word in (8, 67):                                     # the entry, a weight word
        device.memory.inject(driver.base + 64 * word, 64, "silent")
        with pytest.raises(FillError) as caught:
            driver.fill([entry()], 8)
        assert (caught.value.index, caught.value.code) == (0, ErrorCode.TIMEOUT)
        device.memory.heal()
        works(driver)
        driver.attach(16 * 4096)


def test_mismatched_hardware(device):
    with pytest.raises(WrongConfiguration, match=r"tiny.*pynq_z2"):
        Driver(device, get_config("pynq_z2"))
