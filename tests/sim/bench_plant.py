"""cocotb bench of rtl/copy_stub.v while it breaks a handshake: the monitors of the wrapper end the simulation."""
import os

import cocotb

from nigiri_sim.bench import Bench


@cocotb.test()
async def broken(dut):
    bench = Bench(dut, int(os.environ["BENCH_PORTS"]))
    await bench.reset()
    bench.pause(0.5, seed=1)
    for name, value in {"IRQ_ENABLE": 1, "WINDOW_BASE_LO": 0x10000, "WINDOW_BASE_HI": 0, "WINDOW_SIZE": 64,
                        "PROGRAM_OFFSET": 64, 0xF00: int(os.environ["BENCH_PLANT"]) << 4, "CONTROL": 1}.items():
        await bench.write(name, value)
    await bench.interrupt(microseconds=100)
