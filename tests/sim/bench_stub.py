"""cocotb bench of rtl/copy_stub.v: shows that the runner, the Verilator build and cocotbext-axi work together."""
import os

import cocotb
import numpy as np

from nigiri_sim.bench import Bench

PORTS = int(os.environ["BENCH_PORTS"])


async def started(dut):
    bench = Bench(dut, PORTS)
    await bench.reset()
    return bench


@cocotb.test()
async def identity(dut):
    bench = await started(dut)
    assert await bench.read("PRODUCT_ID") == 0x4952474E


@cocotb.test()
@cocotb.parametrize(stalls=[0.0, 0.3])
async def copies(dut, stalls):
    bench = await started(dut)
    bench.pause(stalls, seed=1)
    data = np.random.default_rng(1).integers(0, 256, 4096, np.uint8).tobytes()
    bench.memory.write(0x10000, data + bytes(8192))
    for name, value in dict(IRQ_ENABLE=1, WINDOW_BASE_LO=0x10000, WINDOW_BASE_HI=0, WINDOW_SIZE=64,
                            PROGRAM_OFFSET=64, CONTROL=1).items():
        await bench.write(name, value)
    await bench.interrupt(microseconds=100)
    assert bench.memory.read(0x11000, 4096) == data
    assert bench.memory.read(0x12000, 64) == bytes(64)
