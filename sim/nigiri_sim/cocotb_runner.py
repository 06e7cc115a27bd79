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

__all__ = ["id_wrapper", "run_bench"]

WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style")

_PINS = (  # name, width in bits (0: data, -1: strobes), driven by the accelerator
    ("araddr", 40, True), ("arlen", 8, True), ("arsize", 3, True), ("arburst", 2, True), ("arcache", 4, True),
    ("arprot", 3, True), ("arvalid", 1, True), ("arready", 1, False), ("rdata", 0, False), ("rresp", 2, False),
    ("rlast", 1, False), ("rvalid", 1, False), ("rready", 1, True), ("awaddr", 40, True), ("awlen", 8, True),
    ("awsize", 3, True), ("awburst", 2, True), ("awcache", 4, True), ("awprot", 3, True), ("awvalid", 1, True),
    ("awready", 1, False), ("wdata", 0, True), ("wstrb", -1, True), ("wlast", 1, True), ("wvalid", 1, True),
    ("wready", 1, False), ("bresp", 2, False), ("bvalid", 1, False), ("bready", 1, True))
_LITE = (("awaddr", 12), ("awprot", 3), ("awvalid", 1), ("wdata", 32), ("wstrb", 4), ("wvalid", 1), ("bready", 1),
         ("araddr", 12), ("arprot", 3), ("arvalid", 1), ("rready", 1))
_LITE_OUT = (("awready", 1), ("wready", 1), ("bresp", 2), ("bvalid", 1), ("arready", 1), ("rdata", 32), ("rresp", 2),
             ("rvalid", 1))


def id_wrapper(top: str, ports: int, port_bits: int) -> str:
    """Verilog of module `bench`: `top` with one-bit AXI IDs, which cocotbext-axi insists on; they are always 0."""
    pins = [("input", 1, "aclk"), ("input", 1, "aresetn"), ("output", 1, "interrupt")]
    pins += [("input", w, f"s_axi_{n}") for n, w in _LITE] + [("output", w, f"s_axi_{n}") for n, w in _LITE_OUT]
    ids = []
    for n in range(ports):
        for name, width, out in _PINS:
            bits = {0: port_bits, -1: port_bits // 8}.get(width, width)
            pins.append(("output" if out else "input", bits, f"m{n}_axi_{name}"))
        ids += [("output", f"m{n}_axi_{c}id") for c in ("ar", "aw")] + [("input", f"m{n}_axi_{c}id") for c in "rb"]
    declared = [f"{d} [{w - 1}:0] {p}" if w > 1 else f"{d} {p}" for d, w, p in pins] + [f"{d} {p}" for d, p in ids]
    lines = ["module bench (", ",\n".join(f"  {d}" for d in declared), ");"]
    lines += [f"  assign {p} = 0;" for d, p in ids if d == "output"]
    lines += [f"  {top} device (", ",\n".join(f"    .{p}({p})" for _, _, p in pins), "  );", "endmodule", ""]
    return "\n".join(lines)


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
                                 build_args=[*WARNINGS, "-O3", "--x-initial", "fast", "--no-timing", "-CFLAGS", "-O1"])
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
