"""The register file of the golden device, every program error, soft reset."""
import re

import numpy as np
import pytest

from nigiri.model import GoldenDevice
from nigiri.model.image import ImageBuilder, pack_dense, pack_depthwise, pack_params
from nigiri.runtime.device import Device
from nigiri.runtime.errors import BadAddress, BadArgument, DeviceTimeout
from nigiri.spec import ErrorCode, descriptor, get_config, residency
from nigiri.spec.descriptor import Opcode
from nigiri.spec.registers import REGISTERS, Control, Interrupt, Status, address

TINY = get_config("tiny")
LOAD = {"opcode": Opcode.LOAD, "length": 8}
STORE = {"opcode": Opcode.STORE, "length": 8, "mem_offset": 30}
CONV = {"opcode": Opcode.CONV, "kernel": 1, "in_w": 2, "in_h": 2, "out_h": 2, "out_blocks": 2, "in_blocks": 1,
        "out_base": 64, "out_stride": 4, "w_taps": 1, "w_blocks": 1, "mem_offset": 40, "param_offset": 42}
SIZE = 64


class Bench:
    """A golden device with a window of 64 words, driven by its registers."""

    def __init__(self):
        self.device = GoldenDevice(TINY, 1 << 16)
        self.base = self.device.alloc(64 * SIZE)
        self.set(WINDOW_BASE_LO=self.base, WINDOW_SIZE=SIZE, TIMEOUT=1000)

    def set(self, **values):
        for name, value in values.items():
            self.device.write_register(address(name), value)

    def get(self, name):
        return self.device.read_register(address(name))

    def run(self, *descriptors, length=None, offset=0):
        b = ImageBuilder()
        b.program(descriptors)
        self.device.write(self.base, b.image()) if descriptors else None
        self.set(PROGRAM_OFFSET=offset, PROGRAM_LENGTH=len(descriptors) if length is None else length,
                 CONTROL=Control.START)
        return self.get("STATUS"), self.get("ERROR_CODE"), self.get("ERROR_INDEX")

    def fill(self, *entries):
        self.device.write(self.base, b"".join(residency.pack(**e) for e in entries))
        self.set(FILL_OFFSET=0, FILL_COUNT=len(entries), CONTROL=Control.FILL)
        return self.get("STATUS"), self.get("FILL_ERROR"), self.get("FILL_INDEX")


@pytest.fixture
def bench():
    return Bench()


def test_is_a_device(bench):
    assert isinstance(bench.device, Device) and bench.device.name == "golden"


def test_identity(bench):
    assert bench.get("PRODUCT_ID").to_bytes(4, "little") == b"NGRI"
    assert bench.get("VERSION") == 0x000202 and bench.get("CONFIG_DIGEST") == TINY.digest()


def test_access(bench):
    for r in REGISTERS:
        before = bench.get(r.name)
        if r.access == "ro":
            bench.set(**{r.name: 0xFFFFFFFF})
            assert bench.get(r.name) == before, r.name
        elif r.access == "rw":
            bench.set(**{r.name: 0xFFFFFFFF})
            assert bench.get(r.name) == {"IRQ_ENABLE": 7, "WINDOW_BASE_LO": 0xFFFFF000}.get(r.name, 0xFFFFFFFF)
    assert bench.get("CONTROL") == 0 and bench.device.read_register(0xFFC) == 0


@pytest.mark.parametrize("at", [-4, 2, 4096])
def test_bad_register_address(bench, at):
    message = f"register address {at:#x} must be a multiple of 4 below 0x1000"
    with pytest.raises(BadAddress, match=f"^{re.escape(message)}$"):
        bench.device.read_register(at)
    with pytest.raises(BadAddress, match=f"^{re.escape(message)}$"):
        bench.device.write_register(at, 0)


def test_done_and_interrupt(bench):
    assert bench.run() == (Status.DONE, 0, 0)
    assert bench.get("IRQ_STATUS") == Interrupt.DONE and not bench.device.interrupt
    bench.set(IRQ_ENABLE=Interrupt.DONE)
    assert bench.device.interrupt
    bench.set(IRQ_STATUS=Interrupt.ERROR | Interrupt.FILL)
    assert bench.device.interrupt
    bench.set(IRQ_STATUS=Interrupt.DONE)
    assert not bench.device.interrupt and bench.get("IRQ_STATUS") == 0 and bench.get("STATUS") == Status.DONE


ERRORS = {
    "opcode": (LOAD | {"opcode": 9}, ErrorCode.DESCRIPTOR),
    "load length": (LOAD | {"length": 4}, ErrorCode.DESCRIPTOR),
    "kernel": (CONV | {"kernel": 2}, ErrorCode.DESCRIPTOR),
    "no rows": (CONV | {"out_h": 0}, ErrorCode.DESCRIPTOR),
    "split without groups": (CONV | {"split": 1}, ErrorCode.DESCRIPTOR),
    "load window": (LOAD | {"mem_offset": SIZE}, ErrorCode.WINDOW),
    "load end": (LOAD | {"mem_offset": SIZE - 1, "length": 16}, ErrorCode.WINDOW),
    "store window": (STORE | {"mem_offset": 0xFFFFFFFF}, ErrorCode.WINDOW),
    "weights window": (CONV | {"mem_offset": SIZE - 1}, ErrorCode.WINDOW),
    "parameter window": (CONV | {"param_offset": SIZE - 1}, ErrorCode.WINDOW),
    "table window": (CONV | {"flags": 4, "table_offset": SIZE - 3}, ErrorCode.WINDOW),
    "read error": (LOAD | {"mem_offset": 50}, ErrorCode.AXI_READ),
    "weight read error": (CONV | {"mem_offset": 49}, ErrorCode.AXI_READ),
    "error before the window's end": (CONV | {"param_offset": 50, "mem_offset": SIZE - 1}, ErrorCode.AXI_READ),
    "write error": (STORE | {"mem_offset": 50}, ErrorCode.AXI_WRITE),
    "silent read": (LOAD | {"mem_offset": 51}, ErrorCode.TIMEOUT),
    "silent write": (STORE | {"mem_offset": 51}, ErrorCode.TIMEOUT),
}


@pytest.mark.parametrize("case", ERRORS)
def test_error_stops_the_program_there(bench, case):
    bad, code = ERRORS[case]
    bench.device.memory.inject(bench.base + 64 * 50, 64, "error")
    bench.device.memory.inject(bench.base + 64 * 51, 64, "silent")
    bench.device.write(bench.base + 64 * 20, b"\x55" * 64)
    descriptors = [LOAD | {"mem_offset": 20}, STORE, bad, STORE | {"mem_offset": 31}]
    assert bench.run(*descriptors) == (Status.ERROR, code, 2)
    assert bench.get("IRQ_STATUS") == Interrupt.ERROR
    assert (bench.device.read(bench.base + 64 * 30, 64) == 0x55).all()
    assert not bench.device.read(bench.base + 64 * 31, 64).any()
    assert bench.run(LOAD, CONV) == (Status.DONE, 0, 0)


@pytest.mark.parametrize("offset, length, index", [(60, 3, 2), (63, 1, 0), (0, 33, 32), (1000, 1, 0)])
def test_descriptors_beyond_the_window(bench, offset, length, index):
    bench.device.write(bench.base, descriptor.pack(**LOAD) * 32)
    assert bench.run(offset=offset, length=length) == (Status.ERROR, ErrorCode.WINDOW, index)
    assert bench.get("BYTES_ACT_IN") == 64 * index


def test_window_beyond_the_memory_is_a_bus_error(bench):
    bench.set(WINDOW_BASE_LO=0x5000_0000)
    assert bench.run(length=1) == (Status.ERROR, ErrorCode.AXI_READ, 0)


def test_resident_weights_are_not_window_checked(bench):
    entry = {"layer": 0, "out_blocks": 2, "in_blocks": 1, "taps": 1, "mem_offset": 40, "w_taps": 1, "w_blocks": 1}
    assert bench.fill(entry) == (Status.FILL_DONE, 0, 0)
    assert bench.run(CONV | {"mem_offset": 10**9}) == (Status.DONE | Status.FILL_DONE, 0, 0)
    assert (bench.get("BYTES_WEIGHTS_PB"), bench.get("BYTES_WEIGHTS_DRAM"), bench.get("BYTES_FILL")) == (128, 0, 192)


def test_fill_status(bench):
    assert bench.fill({"layer": 3}, {"layer": 16}) == (Status.FILL_ERROR, ErrorCode.FILL_ENTRY, 1)
    assert bench.get("IRQ_STATUS") == Interrupt.FILL
    assert bench.fill() == (Status.FILL_DONE, 0, 0)
    bench.device.memory.inject(bench.base, 64, "error")
    assert bench.fill({"layer": 3}) == (Status.FILL_ERROR, ErrorCode.AXI_READ, 0)


@pytest.mark.parametrize("action", ["run", "fill"])
def test_hang_without_a_watchdog_and_reset(bench, action):
    bench.set(TIMEOUT=0, IRQ_ENABLE=1)
    bench.device.memory.inject(bench.base, 64, "silent")
    call, busy = {"run": (lambda: bench.run(LOAD), Status.BUSY),
                  "fill": (lambda: bench.fill({"layer": 1}), Status.FILL_BUSY)}[action]
    assert call()[0] == busy
    with pytest.raises(DeviceTimeout, match=f"^device 'golden' hangs, STATUS is {busy:#x}: reset it$"):
        bench.device.wait(busy, 1)
    assert call()[0] == busy, "a second start is ignored"
    bench.device.memory.heal()
    bench.set(CONTROL=Control.RESET)
    assert bench.get("STATUS") == 0 and bench.get("WINDOW_SIZE") == SIZE and bench.get("IRQ_ENABLE") == 1
    assert call()[1:] == (0, 0)


def test_reset_empties_the_table_and_clears_errors(bench):
    entry = {"layer": 0, "out_blocks": 2, "in_blocks": 1, "taps": 1, "mem_offset": 40, "w_taps": 1, "w_blocks": 1}
    bench.fill(entry)
    bench.run(LOAD, LOAD | {"length": 3})
    bench.set(CONTROL=Control.RESET)
    names = ("STATUS", "IRQ_STATUS", "ERROR_CODE", "ERROR_INDEX", "BYTES_FILL", "BYTES_ACT_IN", "BYTES_DESCRIPTORS")
    assert [bench.get(n) for n in names] == [0] * len(names)
    assert bench.run(CONV)[0] == Status.DONE
    assert (bench.get("BYTES_WEIGHTS_PB"), bench.get("BYTES_WEIGHTS_DRAM")) == (0, 128)


def test_addresses_in_the_activation_buffer_wrap(bench):
    data = np.random.default_rng(0).integers(0, 256, 256).astype(np.uint8)
    bench.device.write(bench.base + 64 * 20, data)
    last = TINY.ab_words - 16
    bench.run({"opcode": Opcode.LOAD, "length": 32, "mem_offset": 20, "out_base": last + 3 * TINY.ab_words},
              {"opcode": Opcode.STORE, "length": 16, "mem_offset": 30})
    assert (bench.device.read(bench.base + 64 * 30, 128) == data[128:]).all()


@pytest.mark.parametrize("args, message", [
    (([0] * 7, [0] * 7, [0] * 7), "the number of channels must be a multiple of 8, not 7"),
    (([2**31] * 8, [0] * 8, [0] * 8),
     "channel 0: bias 2147483648, multiplier 0 and shift 0 must fit 32 signed, 16 and 6 bits"),
])
def test_parameters_out_of_range(args, message):
    with pytest.raises(BadArgument, match=f"^{re.escape(message)}$"):
        pack_params(*args)


def test_packing_of_words():
    w = np.arange(56, dtype=np.int8).reshape(1, 1, 8, 7)
    word = np.frombuffer(pack_depthwise(w), np.int8).reshape(8, 8)
    assert (word[:, 7] == 0).all() and word[3, 2] == 23
    assert pack_dense(np.arange(64).reshape(1, 1, 1, 8, 8)) == bytes(range(64))
