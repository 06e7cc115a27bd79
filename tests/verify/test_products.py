"""A product's second operand is what the STORE before it wrote, however slowly that arrives; cycles of products."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.cycles import predict
from nigiri.model import GoldenDevice
from nigiri.runtime.driver import WORD, Driver
from nigiri.spec import descriptor, get_config, get_memory
from nigiri_sim.device import RtlDevice
from nigiri_sim.verify.chain import chain

pytestmark = pytest.mark.verilator
SETTINGS = [("slow", 0.0), ("ddr3_z2", 0.0), ("ideal", 0.6)]


def executed(driver, program, image=None):
    """The window afterwards, and the counters."""
    driver.reset()
    driver.attach(program.image.size)
    driver.write(0, program.image if image is None else image)
    counters = driver.run(program.offset, len(program.lines))
    return driver.read(0, program.image.size), counters


@pytest.mark.parametrize(("memory", "stalls"), SETTINGS)
@pytest.mark.parametrize("name", ["tiny", "small"])
def test_a_product_reads_what_was_stored_before_it(name, memory, stalls):
    config = get_config(name)
    golden = Driver(GoldenDevice(config))
    with RtlDevice(config, get_memory(memory), stalls=stalls, seed=3) as device:
        driver = Driver(device)
        for seed, (blocks, length) in enumerate(((2, 5), (4, 4), (8, 2))):
            program = chain(length, seed=seed, blocks=blocks, first=seed, split=seed % config.groups.bit_length())
            want, _ = executed(golden, program)
            got, _ = executed(driver, program)
            assert np.array_equal(got, want)


def test_the_chain_shows_a_stale_operand():
    """Each of the products changes the result; without any STORE before it, it is another one."""
    golden = Driver(GoldenDevice(get_config("tiny")))
    results = set()
    for length in range(1, 6):
        program = chain(length, seed=1)
        lines = [line for n, line in enumerate(program.lines) if line["opcode"] != 3 or n == len(program.lines) - 1]
        stale = program.image.copy()
        raw = b"".join(descriptor.pack(**line) for line in lines)
        at = WORD * program.offset
        stale[at:at + len(raw)] = np.frombuffer(raw, np.uint8)
        out = slice(WORD * program.stored[1], WORD * (program.stored[1] + program.words))
        want, _ = executed(golden, program)
        golden.reset()
        golden.attach(stale.size)
        golden.write(0, stale)
        golden.run(program.offset, len(lines))
        assert not np.array_equal(golden.read(0, stale.size)[out], want[out])
        assert len(np.unique(want[out])) > 12
        results.add(want[out].tobytes())
    assert len(results) == 5


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_cycles_of_products_on_a_boards_memory(name):
    config, memory = get_config(name), get_memory("ddr3_z2")
    off = []
    with RtlDevice(config, memory) as device:
        driver = Driver(device)
        for blocks, length in ((2, 1), (2, 8), (4, 1), (4, 6), (8, 1), (8, 4)):
            program = chain(length, blocks=blocks)
            _, counters = executed(driver, program)
            lines = [descriptor.unpack(descriptor.pack(**line)) for line in program.lines]
            said = predict(lines, config, memory, {}, offset=program.offset).cycles
            off.append((blocks, length, counters.cycles, said))
    assert all(abs(said - took) <= 3 for _, _, took, said in off), off
