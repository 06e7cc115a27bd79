"""RtlDevice beyond the data path: memory, registers, waiting, closing, traces, bad arguments."""
from pathlib import Path

import numpy as np
import pytest

from nigiri.runtime.errors import BadAddress, BadArgument, DeviceError, DeviceTimeout, OutOfMemory
from nigiri.spec.config import CONFIGS
from nigiri_sim.device import RtlDevice

pytestmark = pytest.mark.verilator


def test_memory(copier):
    device = copier().device
    a, b = device.alloc(5000), device.alloc(1)
    assert a % 4096 == b % 4096 == 0
    assert not device.read(a, 5000).any()
    device.write(a + 10, b"\x01\x02")
    device.write(a + 12, np.array([[0x0403]], np.uint16))
    assert device.read(a + 9, 6).tolist() == [0, 1, 2, 3, 4, 0]
    device.free(a)
    c = device.alloc(5000)
    assert c == a
    assert not device.read(c, 5000).any()
    with pytest.raises(BadAddress, match=r"^2 bytes at 0x[0-9a-f]+ are not inside an allocated buffer: "):
        device.read(b + 4095, 2)
    with pytest.raises(OutOfMemory, match=r"^no gap of "):
        device.alloc(1 << 40)


def test_registers(copier):
    device = copier().device
    assert device.read_register(0) == 0x4952474E
    for address in (-4, 2, 4096):
        with pytest.raises(BadAddress, match=r"must be a multiple of 4 below 0x1000$"):
            device.read_register(address)
        with pytest.raises(BadAddress, match=r"must be a multiple of 4 below 0x1000$"):
            device.write_register(address, 0)
    with pytest.raises(DeviceError, match=r"^write to register address 0xf80 was answered with AXI response 2: there "
                                          r"is no such register$"):
        device.write_register(0xF80, 0)


@pytest.mark.parametrize("seed", range(5))
def test_registers_with_stalls(copier, seed):
    device = copier(stalls=0.6, seed=seed).device
    for value in (1, 0xFFFFFFFF, 0x12345678):
        device.write_register(0x30, value)
        assert device.read_register(0x30) == value


def test_wait_is_bounded_by_time_and_by_cycles(copier):
    c = copier(cycle_limit=5000)
    c.device.memory.inject(c.source, 64, "silent")
    c.start()
    for timeout_s, cycles in ((1e-5, 1000), (100, 5000)):
        before = c.device.cycles
        with pytest.raises(DeviceTimeout, match=rf"^device 'rtl' is not ready after {cycles} cycles, STATUS is 0x1: "
                                                r"reset it, or allow more time \(timeout_s, cycle_limit\)$"):
            c.device.wait(1, timeout_s)
        assert 0 <= c.device.cycles - before - cycles < 100


def test_interrupt_and_time(copier):
    c = copier()
    assert not c.device.interrupt
    c.run()
    assert c.device.interrupt
    c.device.write_register(0x18, 1)
    assert not c.device.interrupt
    before = c.device.cycles
    c.device.step(12345)
    assert c.device.cycles == before + 12345


def test_two_devices_of_one_model_do_not_disturb_each_other(copier):
    a, b = copier(seed=1), copier(seed=2)
    a.start()
    b.run()
    a.device.wait(1, 0.1)
    assert a.copied()
    assert b.copied()


def test_closed(copier):
    device = copier().device
    device.close()
    device.close()
    for call in (lambda: device.read_register(0), lambda: device.step(1), lambda: device.alloc(1),
                 lambda: device.cycles):
        with pytest.raises(DeviceError, match=r"^the device is closed: create a new one$"):
            call()


def test_trace(copier, tmp_path):
    path = tmp_path / "wave.vcd"
    c = copier(words=4, trace=path)
    c.run()
    c.device.close()
    text = path.read_text()
    assert "m0_axi_araddr" in text
    assert text.count("\n#") > 2 * 100


@pytest.mark.parametrize(("options", "message"), [
    (dict(stalls=1.0), r"^stalls must be between 0 and 0.95, not 1.0$"),
    (dict(stalls=-0.1), r"^stalls must be between 0 and 0.95, not -0.1$"),
    (dict(trace=Path("wave.txt")), r"^the trace file must end in .vcd, .fst or .dat, not 'wave.txt'$"),
    (dict(cycle_limit=0), r"^cycle_limit must be at least 1, not 0$"),
    (dict(dram_bytes=5000), r"^memory of 5000 bytes at 0x10000000: both must be multiples of 4096, the size positive$"),
])
def test_bad_arguments(options, message):
    with pytest.raises(BadArgument, match=message):
        RtlDevice(CONFIGS["tiny"], verilog="never built", **options)
