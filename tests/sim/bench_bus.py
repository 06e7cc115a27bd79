"""cocotb bench of everything a bus may do: register accesses of every kind, transfers round 4 KiB, pauses channel by
channel, a fill and its interrupt, and whole random programs.  BENCH_CONFIG and BENCH_PORTS, BENCH_BITS, BENCH_LAYERS
choose the configuration."""
import os
from dataclasses import replace

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from nigiri.model import GoldenDevice
from nigiri.model.programs import Limits, execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.spec.config import get_config
from nigiri.spec.descriptor import Opcode, pack
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import REGISTERS, SPAN, Control, Interrupt, Status, address
from nigiri_sim.bench import Bench, _pauses

CONFIG = get_config(os.environ["BENCH_CONFIG"])
CONFIG = replace(CONFIG, ports=int(os.environ.get("BENCH_PORTS", CONFIG.ports)),
                 port_bits=int(os.environ.get("BENCH_BITS", CONFIG.port_bits)))
BASE = 0x8000


async def started(dut):
    bench = Bench(dut, CONFIG.ports)
    await bench.reset()
    while await bench.read("STATUS") & Status.RESETTING:
        pass
    return bench


def place(bench, program):
    """A random program's window, with the fill entries that `execute` writes too."""
    bench.memory.write(BASE, program.image.tobytes())
    bench.memory.write(BASE + 64 * program.fill_offset, b"".join(program.fill_entries))


async def run(bench, words, offset, length, enable=Interrupt.DONE | Interrupt.ERROR):
    for name, value in dict(IRQ_ENABLE=enable, IRQ_STATUS=7, WINDOW_BASE_LO=BASE, WINDOW_BASE_HI=0, WINDOW_SIZE=words,
                            PROGRAM_OFFSET=offset, PROGRAM_LENGTH=length, CONTROL=Control.START).items():
        await bench.write(name, value)
    await bench.interrupt(microseconds=5000)
    return await bench.read("STATUS")


@cocotb.test()
async def every_address(dut):
    """Reads answer everywhere; what is no register reads 0, and what may not be written keeps its value."""
    bench = await started(dut)
    known = {r.address: r for r in REGISTERS}
    for at in range(0, SPAN, 4):
        value = await bench.read(at)
        if at not in known:
            assert value == 0 or at >= 0x100, hex(at)       # counters lie from 0x100 on
    for r in REGISTERS:
        if r.access == "ro" and r.name != "TICKS":
            before = await bench.read(r.name)
            await bench.write(r.name, ~before & 0xFFFFFFFF)
            assert await bench.read(r.name) == before, r.name


@cocotb.test()
async def byte_strobes(dut):
    """Writes of 1, 2 and 3 bytes at every place change those bytes only."""
    bench = await started(dut)
    where = address("PROGRAM_OFFSET")
    want = bytearray(b"\x11\x22\x33\x44")
    await bench.master.write(where, bytes(want))
    for n in range(4):
        for size in range(1, 5 - n):
            data = bytes((16 * n + size + k) & 0xFF for k in range(size))
            await bench.master.write(where + n, data)
            want[n:n + size] = data
            assert bytes((await bench.master.read(where, 4)).data) == bytes(want)
            assert bytes((await bench.master.read(where + n, size)).data) == bytes(want[n:n + size])


@cocotb.test()
async def reads_and_writes_at_once(dut):
    bench = await started(dut)
    for channel, chance in ((bench.master.write_if.aw_channel, 0.7), (bench.master.write_if.b_channel, 0.5),
                            (bench.master.read_if.r_channel, 0.5), (bench.master.write_if.w_channel, 0.2)):
        channel.set_pause_generator(_pauses(chance, str(chance)))
    writes = [cocotb.start_soon(bench.write("TIMEOUT", n)) for n in range(20)]
    reads = [cocotb.start_soon(bench.read("PRODUCT_ID")) for _ in range(20)]
    identity = await bench.read("PRODUCT_ID")
    for task in reads:
        assert await task == identity
    for task in writes:
        await task
    assert await bench.read("TIMEOUT") == 19


@cocotb.test()
@cocotb.parametrize(source=[61, 62, 63, 64, 65, 127], words=[1, 2, 3, 8, 15, 16, 17, 63, 64, 65])
async def round_four_kib(dut, source, words):
    """Every alignment and length round a page: data arrive, bytes round the target stay as they were."""
    bench = await started(dut)
    total, target = 1024, 449 + (source + words) % 7
    bench.memory.write(BASE, np.random.default_rng([source, words]).integers(0, 256, 64 * total, np.uint8).tobytes())
    before = bench.memory.read(BASE, 64 * total)
    program = pack(opcode=Opcode.LOAD, mem_offset=source, out_base=8, length=8 * words) + pack(
        opcode=Opcode.STORE, mem_offset=target, in_base=8, length=8 * words)
    bench.memory.write(BASE + 64 * 900, program)
    assert await run(bench, total, 900, 2) == Status.DONE
    after = bench.memory.read(BASE, 64 * 900)
    data = before[64 * source:64 * (source + words)]
    assert after == before[:64 * target] + data + before[64 * (target + words):64 * 900]


@cocotb.test()
@cocotb.parametrize(channel=["aw", "w", "b", "ar", "r"], seed=[0, 1, 2])
async def random_program_with_pauses(dut, channel, seed):
    """A whole random program while one channel of all ports pauses most of the time; the golden model's window."""
    await as_the_golden_model(await started(dut), [seed, 5], channel)


@cocotb.test()
@cocotb.parametrize(channel=["aw", "w", "b", "ar", "r"], seed=[20, 32])
async def product_with_pauses(dut, channel, seed):
    """The same for programs whose second operand is a tensor stored before: no read overtakes the store."""
    description = await as_the_golden_model(await started(dut), [seed, 6], channel)
    assert "product" in description and "transpose" in description


async def as_the_golden_model(bench, seed, channel):
    program = random_program(np.random.default_rng(seed), CONFIG, Limits(side=6, budget=1500))
    want, _ = execute(Driver(GoldenDevice(CONFIG)), program, resident=False)
    for n, ram in enumerate(bench.rams):
        way = ram.write_if if channel in ("aw", "w", "b") else ram.read_if
        getattr(way, f"{channel}_channel").set_pause_generator(_pauses(0.7, f"{seed} {channel} {n}"))
    place(bench, program)
    words = program.image.size // 64
    assert await run(bench, words, program.program_offset, program.n_descriptors) == Status.DONE
    assert bench.memory.read(BASE, program.image.size) == want.tobytes()
    return program.description


@cocotb.test()
@cocotb.parametrize(where=["descriptor", "load", "store"], word=[0, 7])
async def error_response(dut, where, word):
    """SLVERR for one word, at the first beat of a burst or later: named, nothing else written, usable after a reset."""
    bench = await started(dut)
    total, source, target, at = 1024, 64, 512, {"descriptor": 900, "load": 64 + word, "store": 512 + word}[where]
    refused = range(BASE + 64 * at, BASE + 64 * at + 64)
    bench.memory.write(BASE, np.random.default_rng(3).integers(0, 256, 64 * total, np.uint8).tobytes())
    before = bench.memory.read(BASE, 64 * total)
    bench.memory.write(BASE + 64 * 900, pack(opcode=Opcode.LOAD, mem_offset=source, out_base=8, length=8 * 16) + pack(
        opcode=Opcode.STORE, mem_offset=target, in_base=8, length=8 * 16))
    bench.refuse(reads=range(0) if where == "store" else refused, writes=refused if where == "store" else range(0))
    assert await run(bench, total, 900, 2) & Status.ERROR
    wanted = ErrorCode.AXI_WRITE if where == "store" else ErrorCode.AXI_READ
    assert await bench.read("ERROR_CODE") == wanted
    assert await bench.read("ERROR_INDEX") == (where == "store")
    after = bench.memory.read(BASE, 64 * 900)
    assert after[:64 * target] == before[:64 * target]
    assert after[64 * (target + 16):] == before[64 * (target + 16):64 * 900]
    bench.refuse()
    await bench.write("CONTROL", Control.RESET)
    while await bench.read("STATUS") & Status.RESETTING:
        pass
    assert await run(bench, total, 900, 2) == Status.DONE
    data = before[64 * source:64 * (source + 16)]
    assert bench.memory.read(BASE + 64 * target, 64 * 16) == data


@cocotb.test()
@cocotb.parametrize(channel=["ar", "r", "aw", "w", "b"])
async def silent_channel(dut, channel):
    """A channel that never moves again ends in a timeout, not in a device that hangs."""
    bench = await started(dut)
    bench.memory.write(BASE + 64 * 900, pack(opcode=Opcode.LOAD, mem_offset=64, out_base=8, length=64) + pack(
        opcode=Opcode.STORE, mem_offset=512, in_base=8, length=64))
    await bench.write("TIMEOUT", 300)
    for ram in bench.rams:
        way = ram.write_if if channel in ("aw", "w", "b") else ram.read_if
        getattr(way, f"{channel}_channel").pause = True
    assert await run(bench, 1024, 900, 2) & Status.ERROR
    assert await bench.read("ERROR_CODE") == ErrorCode.TIMEOUT


@cocotb.test()
async def interrupts(dut):
    """Only what is enabled raises the line; a cause stays until it is cleared, and only that one is."""
    bench = await started(dut)
    await bench.write("WINDOW_SIZE", 64)
    await bench.write("PROGRAM_LENGTH", 0)
    await bench.write("IRQ_ENABLE", 0)
    await bench.write("CONTROL", Control.START)
    await ClockCycles(dut.aclk, 50)
    assert await bench.read("IRQ_STATUS") == Interrupt.DONE and not int(dut.interrupt.value)
    await bench.write("IRQ_ENABLE", Interrupt.DONE)
    await ClockCycles(dut.aclk, 3)
    assert int(dut.interrupt.value)
    await bench.write("FILL_COUNT", 0)
    await bench.write("CONTROL", Control.FILL)
    await ClockCycles(dut.aclk, 50)
    assert await bench.read("IRQ_STATUS") == Interrupt.DONE | Interrupt.FILL
    await bench.write("IRQ_STATUS", Interrupt.DONE)
    assert await bench.read("IRQ_STATUS") == Interrupt.FILL and not int(dut.interrupt.value)
    await bench.write("IRQ_STATUS", 7)
    bench.memory.write(0, bytes(128))
    await bench.write("PROGRAM_LENGTH", 1)
    await bench.write("IRQ_ENABLE", Interrupt.ERROR)
    await bench.write("CONTROL", Control.START)
    await bench.interrupt(microseconds=500)
    assert await bench.read("IRQ_STATUS") == Interrupt.ERROR and await bench.read("STATUS") & Status.ERROR


@cocotb.test()
async def hard_reset_while_it_runs(dut):
    """aresetn in the middle of bursts; afterwards everything works, whatever was under way."""
    bench = await started(dut)
    program = random_program(np.random.default_rng(9), CONFIG, Limits(side=6, budget=1500))
    want, _ = execute(Driver(GoldenDevice(CONFIG)), program, resident=False)
    words = program.image.size // 64
    for cycles in (7, 40, 133, 421):
        place(bench, program)
        for name, value in dict(WINDOW_BASE_LO=BASE, WINDOW_SIZE=words, PROGRAM_OFFSET=program.program_offset,
                                PROGRAM_LENGTH=program.n_descriptors, CONTROL=Control.START).items():
            await bench.write(name, value)
        await ClockCycles(dut.aclk, cycles)
        await bench.reset()
        while await bench.read("STATUS") & Status.RESETTING:
            pass
    place(bench, program)
    assert await run(bench, words, program.program_offset, program.n_descriptors) == Status.DONE
    assert bench.memory.read(BASE, program.image.size) == want.tobytes()
