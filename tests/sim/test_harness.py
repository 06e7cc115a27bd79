"""The native harness on the copy stub: data, timing of the memory model, stalls, faults, protocol checks."""
import re
from dataclasses import replace

import pytest

from nigiri.runtime.errors import DeviceTimeout
from nigiri.spec.memory import MEMORIES, MemorySetting
from nigiri_sim.errors import ProtocolError

pytestmark = pytest.mark.verilator
SHAPES = [(1, 64), (2, 128)]
MODE, MOST_READS, LATENCY, FAILURES = 0xF00, 0xF04, 0xF08, 0xF0C
READ, WRITE = 1, 2
IDEAL = MEMORIES["ideal"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("memory", MEMORIES.values(), ids=list(MEMORIES))
def test_copy(copier, shape, memory):
    c = copier(*shape, memory=memory)
    c.run()
    assert c.copied()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stalls", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_copy_with_stalls(copier, shape, stalls, seed):
    c = copier(*shape, stalls=stalls, seed=seed)
    c.run()
    assert c.copied()


def test_a_seed_gives_one_timing(copier):
    cycles = [[copier(2, 128, stalls=0.4, seed=seed).run() for seed in (1, 2, 3)] for _ in range(2)]
    assert cycles[0] == cycles[1]
    assert len(set(cycles[0])) > 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", [READ, WRITE])
@pytest.mark.parametrize("peak", [0.3, 0.8, 1.7, 3.5, 1000])
@pytest.mark.parametrize("efficiency", [0.5, 0.8, 1])
def test_bandwidth(copier, shape, mode, peak, efficiency):
    """One direction alone gets what the setting says: the smaller of the memory's and the ports' rate."""
    memory = MemorySetting(name="test", peak_gbs=peak, efficiency=efficiency, latency=4, outstanding=8)
    c = copier(*shape, mode=mode, memory=memory, words=4096)
    assert c.words * 64 / c.run() == pytest.approx(memory.bytes_per_cycle(c.device.config), rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_reads_and_writes_share_the_memory(copier, shape):
    memory = MemorySetting(name="test", peak_gbs=1.0, efficiency=0.8, latency=4, outstanding=8)
    c = copier(*shape, memory=memory, words=4096)
    assert 2 * c.words * 64 / c.run() == pytest.approx(8.0, rel=0.02)
    assert c.copied()


def test_ports_share_the_memory_fairly(copier):
    memory = MemorySetting(name="test", peak_gbs=0.8, efficiency=1, latency=4)
    c = copier(2, 128, mode=READ, memory=memory, words=4096)
    c.start()
    c.device.step(10_000)
    first, second = (p["read_bytes"] for p in c.device.statistics())
    assert first == pytest.approx(40_000, rel=0.02)
    assert abs(first - second) <= 16


@pytest.mark.parametrize("latency", [1, 2, 30, 120])
def test_latency(copier, latency):
    c = copier(mode=READ, memory=replace(IDEAL, latency=latency))
    c.run()
    assert c.device.read_register(LATENCY) == latency


@pytest.mark.parametrize("outstanding", [1, 2, 5, 8])
def test_outstanding_bursts(copier, outstanding):
    c = copier(mode=READ, memory=replace(IDEAL, latency=200, outstanding=outstanding))
    cycles = c.run()
    assert c.device.read_register(MOST_READS) == outstanding
    assert c.device.statistics()[0]["most_reads"] == outstanding
    # Little's law: so many bursts of 16 beats for every latency.
    bursts = c.words // 2
    assert cycles >= bursts // outstanding * 200


@pytest.mark.parametrize(("direction", "failures"), [("read", 1), ("write", 1), ("both", 2)])
def test_error_response(copier, direction, failures):
    """One faulty beat: SLVERR for that beat of a read, and for the burst of a write."""
    c = copier()
    where = c.source if direction == "read" else c.target
    c.device.memory.inject(where + 640, 8, "error", direction)
    if direction == "both":
        c.device.memory.inject(c.source + 640, 8, "error", direction)
    c.run()
    assert c.device.read_register(FAILURES) == failures
    assert not c.copied()
    c.device.memory.heal()
    c.run()
    assert c.device.read_register(FAILURES) == 0
    assert c.copied()


@pytest.mark.parametrize("where", [0x0FFF_F000, 0x1000_0000 + (64 << 20), 0x40_0000_0000])
def test_outside_the_memory(copier, where):
    c = copier(mode=READ)
    c.device.write_register(0x30, where & 0xFFFFFFFF)
    c.device.write_register(0x34, where >> 32)
    c.device.write_register(0x38, 32)
    c.run()
    assert c.device.read_register(FAILURES) == 32 * 8


@pytest.mark.parametrize("direction", ["read", "write"])
def test_silence(copier, direction):
    c = copier()
    c.device.memory.inject((c.source if direction == "read" else c.target) + 4096, 64, "silent", direction)
    c.start()
    with pytest.raises(DeviceTimeout, match=r"^device 'rtl' is not ready after 100000 cycles, STATUS is 0x1: "):
        c.device.wait(1, 1e-3)
    c.device.memory.heal()
    c.device.wait(1, 1e-3)
    assert c.copied()


def test_power_cycle_ends_what_is_in_flight(copier):
    c = copier()
    c.start()
    c.device.step(300)
    c.device.power_cycle()
    assert c.device.read_register(0x010) == 0
    c.run()
    assert c.copied()


VIOLATIONS = {
    1: r"port m0: arvalid falls before arready",
    2: r"port m0: araddr, len, size or burst changes before arready",
    3: r"port m0: ar burst crosses a 4 KiB boundary \(address 0x10001fc0, len 15\)",
    4: r"port m0: arlen is above 15 \(address 0x10001000, len 31\)",
    5: r"port m0: wlast comes before the burst's last beat",
    6: r"port m0: araddr is not a multiple of 64 \(address 0x10001008, len 15\)",
    7: r"port m0: arsize is not the full width \(address 0x10001000, len 15\)",
    9: r"port m0: wdata, wstrb or wlast changes before wready",
}


@pytest.mark.parametrize("plant", VIOLATIONS)
def test_protocol_violation(copier, plant):
    # Slow enough for every channel to wait, with enough bursts in flight to fill the queue for write data.
    c = copier(mode=plant << 4 | (WRITE if plant == 9 else 0), memory=replace(MEMORIES["slow"], outstanding=4))
    with pytest.raises(ProtocolError, match=rf"^cycle \d+, {VIOLATIONS[plant]}$") as first:
        c.run()
    with pytest.raises(ProtocolError, match=f"^{re.escape(str(first.value))}$"):
        c.device.step(1)


def test_protocol_violation_in_reset(copier):
    c = copier(mode=8 << 4)
    with pytest.raises(ProtocolError, match=r"^cycle \d+, port m0: arvalid, awvalid or wvalid is high during reset$"):
        c.device.power_cycle()
        c.device.step(1)


def test_polling_does_not_change_the_result(copier):
    """The device counts the same cycles whether the host waits, polls all the time, or sleeps."""
    counts = []
    for how in ("wait", "poll", "sleep"):
        c = copier(stalls=0.2, seed=5)
        if how == "wait":
            counts.append(c.run())
            continue
        c.start()
        if how == "sleep":
            c.device.step(50_000)
        while c.device.read_register(0x010) & 1:
            pass
        counts.append(c.device.read_register(0x080))
    assert counts[0] == counts[1] == counts[2]
