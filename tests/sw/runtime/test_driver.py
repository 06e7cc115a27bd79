"""The driver over the golden device: identity, window, programs, fills, and the text of every exception."""
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from nigiri.model import GoldenDevice
from nigiri.model.image import ImageBuilder
from nigiri.runtime import errors
from nigiri.runtime.counters import Counters, read_counter
from nigiri.runtime.driver import Driver
from nigiri.spec import ErrorCode, get_config
from nigiri.spec.descriptor import Opcode
from nigiri.spec.registers import COUNTERS, address

TINY = get_config("tiny")
LOAD = {"opcode": Opcode.LOAD, "length": 8}
STORE = {"opcode": Opcode.STORE, "length": 8}
READ_FAULT, SILENT = 40, 41


@pytest.fixture
def driver():
    d = Driver(GoldenDevice(TINY, 1 << 18))
    base = d.attach(4096)
    d.device.memory.inject(base + 64 * READ_FAULT, 64, "error")
    d.device.memory.inject(base + 64 * SILENT, 64, "silent")
    return d


def refused(kind, message):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def put(driver, *descriptors):
    b = ImageBuilder()
    b.program(descriptors)
    driver.write(0, b.image())
    return 0, len(descriptors)


class Other(GoldenDevice):
    """A device whose identity registers answer something else."""

    def __init__(self, **fixed):
        super().__init__(TINY, 1 << 16)
        self._fixed |= fixed


def test_wrong_product():
    with refused(errors.WrongProduct, "device 'golden' has product ID 0xdeadbeef, not 0x4952474e: load the Nigiri "
                                      "bitstream or check the base address"):
        Driver(Other(PRODUCT_ID=0xDEADBEEF))


def test_wrong_version():
    with refused(errors.WrongVersion, "device 'golden' has interface version 3.2.1, this software speaks 0.2.x: build "
                                      "the hardware and software from one release"):
        Driver(Other(VERSION=0x030201))


def test_patch_version_does_not_matter():
    Driver(Other(VERSION=0x000209))


@pytest.mark.parametrize("theirs, name", [(get_config("pynq_z2").digest(), "pynq_z2"), (1, "unknown")])
def test_wrong_configuration(theirs, name):
    with refused(errors.WrongConfiguration, f"device 'golden' is configuration {name!r} (digest {theirs:#010x}), the "
                 f"software expects 'tiny' (digest {TINY.digest():#010x}): compile for the device's configuration or "
                 "load the other bitstream"):
        Driver(Other(CONFIG_DIGEST=theirs))


def test_programs_for_another_configuration():
    with pytest.raises(errors.WrongConfiguration, match=r"^device 'golden' is configuration 'tiny' "):
        Driver(GoldenDevice(TINY, 1 << 16), replace(TINY, pb_words=0))


def test_window(driver):
    data = np.arange(40, dtype=np.int16)
    driver.write(3, data)
    assert (driver.read(3, 80).view(np.int16) == data).all()
    driver.write(0, b"abc")
    assert driver.read(0, 4).tobytes() == b"abc\0"
    with refused(errors.BadAddress, "65 bytes at word 63 reach outside the window of 64 words: attach a larger window"):
        driver.write(63, bytes(65))
    with refused(errors.BadAddress, "1 bytes at word -1 reach outside the window of 64 words: attach a larger window"):
        driver.read(-1, 1)


def test_attach_replaces_the_window(driver):
    driver.attach(200_000)
    driver.attach(200_000)
    assert driver.register("WINDOW_SIZE") == 3136
    with refused(errors.BadArgument, "the window must have at least 1 byte, not 0"):
        driver.attach(0)
    with pytest.raises(errors.OutOfMemory, match=r"^no gap of "):
        driver.attach(1 << 20)
    assert driver.window_bytes == 0


def test_without_a_window():
    with Driver(GoldenDevice(TINY, 1 << 16)) as d:
        for call in (lambda: d.read(0, 1), lambda: d.write(0, b"a"), lambda: d.run(0, 0), lambda: d.fill([], 0)):
            with refused(errors.NotAttached, "the driver has no window: call attach() first"):
                call()


def test_closing_frees_the_window():
    device = GoldenDevice(TINY, 8192)
    for _ in range(3):
        with Driver(device) as d:
            d.attach(8192)


PROGRAM_ERRORS = [
    (errors.DescriptorError, STORE | {"length": 4}, "descriptor 1 breaks a rule of the instruction set: length 4 and "
                                                    "base 0 must be multiples of 8 pixel words (error 1, DESCRIPTOR)"),
    (errors.WindowError, STORE | {"mem_offset": 64}, "descriptor 1 reaches outside the DMA window: attach a larger "
                                                     "window or correct its offsets (error 2, WINDOW)"),
    (errors.MemoryReadError, LOAD | {"mem_offset": READ_FAULT},
     "descriptor 1 read memory that answered with an error: check the window's address (error 3, AXI_READ)"),
    (errors.MemoryWriteError, STORE | {"mem_offset": READ_FAULT},
     "descriptor 1 wrote memory that answered with an error: check the window's address (error 4, AXI_WRITE)"),
    (errors.ProgramTimeout, LOAD | {"mem_offset": SILENT},
     "descriptor 1 made no progress for TIMEOUT cycles: reset the device or raise the limit (error 5, TIMEOUT)"),
]


@pytest.mark.parametrize("kind, bad, message", PROGRAM_ERRORS, ids=[k.__name__ for k, _, _ in PROGRAM_ERRORS])
def test_program_errors_and_recovery(driver, kind, bad, message):
    with refused(kind, message) as caught:
        driver.run(*put(driver, LOAD, bad))
    assert caught.value.index == 1 and isinstance(caught.value.code, ErrorCode)
    assert isinstance(caught.value, errors.ProgramError) and isinstance(caught.value, errors.NigiriError)
    with refused(errors.NeedsReset, "the last program failed: reset() the device, which empties the persistent buffer, "
                                    "then run the next one"):
        driver.run(0, 0)
    driver.reset()
    assert driver.register("ERROR_CODE") == 0
    assert driver.run(*put(driver, LOAD, STORE | {"mem_offset": 9})) == Counters(
        bytes_act_in=64, bytes_act_out=64, bytes_descriptors=256)


def test_unknown_codes():
    assert str(errors.program_error(99, 4)) == ("descriptor 4 stopped for an unexpected reason: reset the device "
                                                "(error 99, unknown)")
    assert str(errors.fill_error(99, 4)) == ("fill entry 4 stopped for an unexpected reason: reset the device "
                                             "(error 99, unknown)")


BOX = {"layer": 0, "out_blocks": 1, "in_blocks": 1, "taps": 1, "pb_base": 0, "mem_offset": 20, "w_taps": 1,
       "w_blocks": 1}
FILL_ERRORS = [
    (BOX | {"mem_offset": 64}, ErrorCode.WINDOW, "reaches outside the DMA window: attach a larger window or correct "
                                                 "its offsets (error 2, WINDOW)"),
    (BOX | {"mem_offset": READ_FAULT}, ErrorCode.AXI_READ,
     "read memory that answered with an error: check the window's address (error 3, AXI_READ)"),
    (BOX | {"mem_offset": SILENT}, ErrorCode.TIMEOUT,
     "made no progress for TIMEOUT cycles: reset the device or raise the limit (error 5, TIMEOUT)"),
    (BOX | {"taps": 2}, ErrorCode.FILL_ENTRY, "is malformed: check its layer, blocks and taps (error 16, FILL_ENTRY)"),
    (BOX | {"pb_base": 512}, ErrorCode.FILL_RANGE,
     "reaches beyond the persistent buffer: cache fewer weights or move it down (error 17, FILL_RANGE)"),
    (BOX | {"layer": 1}, ErrorCode.FILL_OVERLAP,
     "overlaps another resident layer: make that layer non-resident first (error 18, FILL_OVERLAP)"),
]


@pytest.mark.parametrize("bad, code, message", FILL_ERRORS, ids=[c.name for _, c, _ in FILL_ERRORS])
def test_fill_errors(driver, bad, code, message):
    with refused(errors.FillError, f"fill entry 1 {message}") as caught:
        driver.fill([BOX, bad], 8)
    assert (caught.value.code, caught.value.index) == (code, 1)
    driver.reset()
    assert driver.fill([BOX], 8) == 128


def test_every_error_code_is_raised_somewhere():
    codes = {c for _, c, _ in FILL_ERRORS} | set(errors._PROGRAM)
    assert codes == set(ErrorCode) - {ErrorCode.NONE}


@pytest.mark.parametrize("entry, message", [
    (b"abc", "fill entry 1 must have 64 bytes, not 3"),
    ({"colour": 1}, "fill entry 1 has no field called 'colour'"),
    ({"taps": -1}, "fill entry 1: field taps must be between 0 and 65535, not -1"),
])
def test_entries_that_cannot_be_encoded(driver, entry, message):
    with refused(errors.BadArgument, message):
        driver.fill([{"layer": 0}, entry], 0)


def test_hanging_device(driver):
    driver.set_register("TIMEOUT", 0)
    put(driver, LOAD | {"mem_offset": SILENT})
    with refused(errors.DeviceTimeout, "device 'golden' hangs, STATUS is 0x1: reset it"):
        driver.run(0, 1)
    with refused(errors.DeviceBusy, "a program is still running on the device: wait for it, or reset() the device"):
        driver.run(0, 1)
    with pytest.raises(errors.DeviceTimeout):
        driver.fill([BOX | {"mem_offset": SILENT}], 8)
    with refused(errors.DeviceBusy, "a fill is still running on the device: call wait_fill() first"):
        driver.fill([BOX], 8)
    driver.reset()
    driver.run(0, 0)


def test_counter_fields_are_the_specified_counters():
    assert [f.name.upper() for f in fields(Counters)] == [name for name, _ in COUNTERS]


def test_counter_with_a_carry_between_its_halves():
    low = address("CYCLES")
    answers = iter([(low + 4, 0), (low, 0xFFFFFFFF), (low + 4, 1), (low, 2), (low + 4, 1)])

    def read(at):
        expected, value = next(answers)
        assert at == expected
        return value
    assert read_counter(read, "CYCLES") == 0x1_0000_0002


def test_every_name_in_all_exists():
    for name in errors.__all__:
        assert hasattr(errors, name)
