"""The copy stub as a device, in two shapes."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nigiri.runtime.device import Device
from nigiri.spec.config import CONFIGS
from nigiri.spec.memory import MEMORIES
from nigiri_sim.device import RtlDevice

STUB = (Path(__file__).parent / "rtl" / "copy_stub.v").read_text()
MODE, MOST_READS, LATENCY, FAILURES = 0xF00, 0xF04, 0xF08, 0xF0C
READ, WRITE = 1, 2


class Copier:
    """A stub device with one window of `words` words to copy from and as many to copy to."""

    def __init__(self, ports=1, bits=64, *, words=256, mode=0, memory=MEMORIES["ddr3_z2"], **options):
        config = replace(CONFIGS["tiny"], name="stub", ports=ports, port_bits=bits)
        defines = (f"PORTS={ports}", f"BITS={bits}", *(["TWO"] if ports == 2 else []))
        self.device = RtlDevice(config, memory, verilog=STUB, top="nigiri_stub", defines=defines, **options)
        assert isinstance(self.device, Device)
        self.words, size = words, words * 64
        # A page before, between and behind shows writes that miss their target.
        self.base = self.device.alloc(2 * size + 3 * 4096)
        self.source, self.target = self.base + 4096, self.base + size + 8192
        self.data = np.random.default_rng(7).integers(0, 256, size, np.uint8)
        self.device.write(self.source, self.data)
        for register, value in ((0x14, 1), (0x30, self.source), (0x38, words), (0x40, words + 64), (MODE, mode)):
            self.device.write_register(register, value)

    def start(self):
        self.device.write_register(0x00C, 1)

    def run(self, timeout_s=0.1):
        """Cycles from start to done."""
        self.start()
        self.device.wait(1, timeout_s)
        return self.device.read_register(0x080)

    def copied(self):
        """The target holds the data, and nothing else was written."""
        size = self.words * 64
        rest = [self.device.read(self.base, 4096), self.device.read(self.source + size, 4096),
                self.device.read(self.target + size, 4096)]
        return bool((self.device.read(self.target, size) == self.data).all()) and not any(r.any() for r in rest)


@pytest.fixture
def copier():
    made = []

    def make(*args, **options):
        made.append(Copier(*args, **options))
        return made[-1]
    yield make
    for c in made:
        c.device.close()
