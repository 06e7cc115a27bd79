"""Runs cocotb benches on Verilator from pytest, and reads their results instead of trusting an exit code."""
from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nigiri_sim.build import content_key, locked
from nigiri_sim.errors import BuildError, SimulationError
from nigiri_sim.toolchain import build_root, find_verilator, require, verilator_environment

__all__ = ["run_bench"]

WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style")


@contextmanager
def _environment(values: Mapping[str, str], folder: Path) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    sys.path.insert(0, str(folder))    # cocotb hands sys.path on to the simulation
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _runner() -> Any:
    """cocotb's runner for Verilator, with only the pins of the top level visible.

    cocotb makes every signal of the design visible, which forbids Verilator to optimise: the accelerator then takes
    ten times as long to compile.
    """
    from cocotb_tools.runner import Verilator as Runner

    class PinsOnly(Runner):
        def _build_command(self):
            first, *others = super()._build_command()
            return [[*(word for word in first if word != "--public-flat-rw"), "--public-depth", "1"], *others]

    return PinsOnly()


def run_bench(verilog: str, *, top: str, bench: Path, results: Path, parameters: Mapping[str, str] | None = None,
              defines: Mapping[str, str] | None = None, waves: bool = False, seed: int = 1) -> int:
    """Build module `top` for cocotb (kept by content), run all tests of the Python file `bench`; how many passed.

    Parameters
    ----------
    results: folder for the results file, and for dump.vcd with `waves`.
    parameters: environment variables for the bench.
    defines: Verilog macros.
    seed: cocotb's random seed.

    Raises
    ------
    ToolMissing: Verilator, g++, make or perl is not installed.
    BuildError: the design was refused.
    SimulationError: a test failed, the simulation ended early, or there was no test.
    """
    from cocotb_tools.check_results import get_results

    require("g++", "make", "perl")
    verilator = find_verilator()
    build = build_root() / f"cocotb-{content_key(verilog, top, defines, waves, verilator.version)}"
    results.mkdir(parents=True, exist_ok=True)
    report = (results / f"{bench.stem}.xml").absolute()
    report.unlink(missing_ok=True)
    runner = _runner()
    times = ("1ns", "1ps")
    with _environment(verilator_environment(verilator), bench.parent):
        with locked(build.with_suffix(".lock")):
            build.mkdir(parents=True, exist_ok=True)
            (build / "design.v").write_text(verilog)
            try:
                if not (build / "complete").exists():
                    runner.build(sources=[build / "design.v"], hdl_toplevel=top, build_dir=build, waves=waves,
                                 defines=defines or {}, timescale=times, log_file=build / "build.log",
                                 build_args=[*WARNINGS, "-O3", "--x-initial", "fast", "--no-timing", "-CFLAGS", "-O0"])
                    (build / "complete").touch()
            except (SystemExit, Exception) as error:
                log = build / "build.log"
                text = log.read_text().splitlines() if log.exists() else []
                found = [line for line in text if "rror" in line][:20] or text[-20:]
                raise BuildError("\n".join([f"the cocotb build failed ({error}):", *found])) from None
        problem, folder = "", results.absolute()
        try:
            runner.test(hdl_toplevel=top, hdl_toplevel_lang="verilog", test_module=bench.stem, build_dir=build,
                        test_dir=folder, results_xml=str(report), extra_env=dict(parameters or {}), waves=waves,
                        seed=seed, log_file=folder / f"{bench.stem}.log", timescale=times)
        except SystemExit as error:
            problem = f" (exit code {error.code})"
    log = results / f"{bench.stem}.log"
    tail = "\n".join(log.read_text().splitlines()[-60:]) if log.exists() else ""
    if not report.exists():
        raise SimulationError(f"the bench {bench.name} left no results{problem}:\n{tail}")
    tests, failed = get_results(report)
    if failed or not tests or problem:
        raise SimulationError(f"{failed} of {tests} tests of {bench.name} failed{problem}:\n{tail}")
    return tests
