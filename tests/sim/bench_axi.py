"""cocotb bench of the accelerator's bus interfaces, with cocotbext-axi as an independent judge of AXI."""
import os

import cocotb
import numpy as np

from nigiri.spec.config import VERSION, get_config
from nigiri.spec.descriptor import Opcode, pack
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import PRODUCT_ID, Control, Interrupt, Status
from nigiri_sim.bench import Bench

CONFIG = get_config(os.environ["BENCH_CONFIG"])
BASE, WORDS = 0x8000, 512


async def ready(bench):
    """Until the device has cleared its tables; it takes no START before."""
    while await bench.read("STATUS") & Status.RESETTING:
        pass


async def started(dut, stalls=0.0):
    bench = Bench(dut, CONFIG.ports)
    await bench.reset()
    await ready(bench)
    if stalls:
        bench.pause(stalls, seed=1)
    return bench


async def run(bench, *descriptors):
    """Run a program that lies at the end of the window; the STATUS register."""
    offset = WORDS - 2 * len(descriptors)
    bench.memory.write(BASE + 64 * offset, b"".join(descriptors))
    for name, value in dict(IRQ_ENABLE=Interrupt.DONE | Interrupt.ERROR, IRQ_STATUS=7, WINDOW_BASE_LO=BASE,
                            WINDOW_BASE_HI=0, WINDOW_SIZE=WORDS, PROGRAM_OFFSET=offset,
                            PROGRAM_LENGTH=len(descriptors), CONTROL=Control.START).items():
        await bench.write(name, value)
    await bench.interrupt(microseconds=500)
    return await bench.read("STATUS")


@cocotb.test()
async def identity(dut):
    bench = await started(dut)
    assert await bench.read("PRODUCT_ID") == PRODUCT_ID
    assert await bench.read("VERSION") == VERSION[0] << 16 | VERSION[1] << 8 | VERSION[2]
    assert await bench.read("CONFIG_DIGEST") == CONFIG.digest()


@cocotb.test()
@cocotb.parametrize(stalls=[0.0, 0.4])
async def registers_hold(dut, stalls):
    bench = await started(dut, stalls)
    values = {name: 0xA5C30000 + 4096 * n for n, name in enumerate((
        "WINDOW_BASE_LO", "WINDOW_SIZE", "PROGRAM_OFFSET", "PROGRAM_LENGTH", "FILL_OFFSET", "FILL_COUNT", "TIMEOUT"))}
    for name, value in values.items():
        await bench.write(name, value)
    assert {name: await bench.read(name) for name in values} == values
    await bench.write("PRODUCT_ID", 0)
    assert await bench.read("PRODUCT_ID") == PRODUCT_ID


@cocotb.test()
async def empty_program(dut):
    bench = await started(dut)
    assert await run(bench) == Status.DONE
    assert await bench.read("IRQ_STATUS") == Interrupt.DONE
    await bench.write("IRQ_STATUS", Interrupt.DONE)
    assert await bench.read("IRQ_STATUS") == 0
    assert not int(dut.interrupt.value)


@cocotb.test()
@cocotb.parametrize(stalls=[0.0, 0.3], words=[1, 67])
async def load_and_store(dut, stalls, words):
    """Bursts of every kind: one word, full ones, ends at a 4 KiB boundary; bytes around the target stay."""
    bench = await started(dut, stalls)
    data = np.random.default_rng(1).integers(0, 256, 64 * words, np.uint8).tobytes()
    source, target = 61, 253
    bench.memory.write(BASE, bytes(range(256)) * (WORDS // 4))
    bench.memory.write(BASE + 64 * source, data)
    before = bench.memory.read(BASE, 64 * WORDS)
    status = await run(bench, pack(opcode=Opcode.LOAD, mem_offset=source, out_base=8, length=8 * words),
                       pack(opcode=Opcode.STORE, mem_offset=target, in_base=8, length=8 * words))
    assert status == Status.DONE
    after = bench.memory.read(BASE, 64 * (WORDS - 4))
    assert after == before[:64 * target] + data + before[64 * (target + words):64 * (WORDS - 4)]
    assert await bench.read("BYTES_ACT_IN") == await bench.read("BYTES_ACT_OUT") == 64 * words


@cocotb.test()
async def malformed_descriptor(dut):
    bench = await started(dut)
    assert await run(bench, pack(opcode=Opcode.LOAD, length=8), pack(opcode=9)) == Status.ERROR
    assert await bench.read("ERROR_CODE") == ErrorCode.DESCRIPTOR
    assert await bench.read("ERROR_INDEX") == 1


@cocotb.test()
async def soft_reset(dut):
    bench = await started(dut)
    assert await run(bench, pack(opcode=Opcode.LOAD, mem_offset=WORDS, length=8)) == Status.ERROR
    assert await bench.read("ERROR_CODE") == ErrorCode.WINDOW
    await bench.write("CONTROL", Control.RESET)
    await ready(bench)
    assert await bench.read("STATUS") == await bench.read("ERROR_CODE") == 0
    assert await bench.read("WINDOW_SIZE") == WORDS
    assert await run(bench) == Status.DONE
