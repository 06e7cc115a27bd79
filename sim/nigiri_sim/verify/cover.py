"""Coverage of random programs: combinations of what a layer can be, and lines of the Verilog."""
from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nigiri.runtime.driver import Driver
from nigiri.spec import get_config, get_memory
from nigiri.spec.registers import REGISTERS
from nigiri_sim.device import RtlDevice
from nigiri_sim.source import verilog_of
from nigiri_sim.verify.compare import TIMEOUT_CYCLES, execute
from nigiri_sim.verify.coverage import Functional
from nigiri_sim.verify.fuzz import CONFIGS, make_case
from nigiri_sim.verify.lines import read, real, summary

__all__ = ["cover"]


def cover(programs: int, *, first: int = 0, configs: Sequence[str] = CONFIGS,
          say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Run the programs of so many seeds, legal and illegal, on models that count what they reach; nothing is compared.

    Every register is read and written once.
    """
    functional = Functional()
    out: dict[str, Any] = {"programs": programs, "first_seed": first, "lines": {}}
    cases = [make_case(seed, configs) for seed in range(first, first + programs)]
    for case in cases:
        if not case.spoilt:
            functional.see(case)
    with tempfile.TemporaryDirectory() as folder:
        for name in configs:
            config, path = get_config(name), Path(folder, f"{name}.dat")
            say(f"{name}: building a model that counts lines")
            device = RtlDevice(config, get_memory("ddr4"), stalls=0.1, seed=1, trace=path, cycle_limit=3_000_000)
            driver = Driver(device, timeout_cycles=TIMEOUT_CYCLES)
            for r in REGISTERS:
                value = driver.register(r.name)
                if r.access == "rw":
                    driver.set_register(r.name, value)
            for n, case in enumerate(c for c in cases if c.config == name):
                execute(driver, case)
                if n % 200 == 199:
                    say(f"{name}: {n + 1} programs")
            device.close()
            verilog = verilog_of(config)
            out["lines"][name] = summary(real(read(path), verilog), verilog)
    return out | {"functional": functional.summary()}
