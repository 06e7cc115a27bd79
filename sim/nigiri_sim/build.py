"""Verilog -> Verilator -> shared library, kept under the hash of everything that goes into it."""
from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nigiri_sim.errors import BuildError
from nigiri_sim.share import share
from nigiri_sim.toolchain import Verilator, build_root, compiler_version, cpu_flags, find_verilator

__all__ = ["Trace", "build_model", "content_key", "locked", "ports_header"]

Trace = Literal["", "fst", "vcd", "coverage"]
"""What a model can also write: waveforms, or which lines of the Verilog were reached."""

NATIVE = Path(__file__).parent / "native"
LIBRARY = "model.so"

VERILATOR_FLAGS = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "--prefix", "Vdut",
                   "--output-split", "20000", "--output-split-cfuncs", "4000", "-Wno-fatal", "-Wno-lint",
                   "-Wno-style", "-Wno-MULTIDRIVEN")
COMPILER_FLAGS = ("-std=gnu++20", "-march=native", "-fPIC", "-w", "-DVL_USER_FATAL", "-DVERILATOR=1", "-DVM_SC=0",
                  "-DVM_COVERAGE=0", "-DVM_TIMING=0")
FAST, SLOW = "-O2", "-O0"
WRITES = {"": [], "fst": ["--trace-fst"], "vcd": ["--trace-vcd"], "coverage": ["--coverage-line"]}
RUNTIME = {"": [], "fst": ["verilated_fst_c"], "vcd": ["verilated_vcd_c"], "coverage": ["verilated_cov"]}
JOBS = min(2, os.cpu_count() or 1)


def ports_header(ports: int, port_bits: int) -> str:
    """The C++ header that tells the harness the number and the width of the data ports."""
    each = " ".join(f"X({n})" for n in range(ports))
    return (f"#pragma once\n#define NIGIRI_PORTS {ports}\n#define NIGIRI_PORT_BYTES {port_bits // 8}\n"
            f"#define NIGIRI_EACH_PORT(X) {each}\n")


def content_key(*parts: object) -> str:
    """Name of a folder for what is made from `parts` (anything that JSON holds)."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time inside, whoever names the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path, verilator: Verilator) -> None:
    environment = os.environ | ({"VERILATOR_ROOT": str(verilator.root)} if verilator.bundled else {})
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        text = (done.stderr + done.stdout).strip().splitlines()
        first = [line for line in text if "rror" in line][:20] or text[-20:]
        raise BuildError(f"{Path(command[0]).name} failed with exit code {done.returncode}:\n" + "\n".join(first))


class _Compiler:
    """Runs g++ for many files, two at a time."""

    def __init__(self, folder: Path, verilator: Verilator, trace: Trace):
        self.folder, self.verilator = folder, verilator
        include = verilator.root / "include"
        formats = {"": trace in ("fst", "vcd"), "_FST": trace == "fst", "_VCD": trace == "vcd", "_SAIF": False}
        coverage = ["-UVM_COVERAGE", "-DVM_COVERAGE=1"] if trace == "coverage" else []
        self.flags = [*COMPILER_FLAGS, *coverage, *(f"-DVM_TRACE{name}={int(on)}" for name, on in formats.items()),
                      f"-I{folder}", f"-I{NATIVE}", f"-I{include}", f"-I{include / 'vltstd'}"]

    def compile(self, sources: list[Path]) -> list[str]:
        """Object files, in the order of the sources."""
        # The largest files first, so that both processors end together.
        order = sorted(sources, key=lambda s: -s.stat().st_size)
        with ThreadPoolExecutor(JOBS) as pool:
            jobs = [pool.submit(self._one, s) for s in order]
            for job in jobs:
                job.result()
        return [self._object(s) for s in sources]

    def precompile(self, header: Path) -> None:
        """Read a header once for all sources that begin with it: it costs more than the rest of most of them."""
        out = header.with_name(header.name + ".gch")       # g++ takes the file in it that was made with its own flags
        out.mkdir()
        with ThreadPoolExecutor(JOBS) as pool:
            jobs = [pool.submit(_run, ["g++", *self.flags, level, "-x", "c++-header", str(header), "-o",
                                       str(out / level.strip("-"))], self.folder, self.verilator)
                    for level in (FAST, SLOW)]
            for job in jobs:
                job.result()

    def _object(self, source: Path) -> str:
        return str(self.folder / (source.stem + ".o"))

    def _one(self, source: Path) -> None:
        rare = source.stem.startswith("verilated") or any(s in source.stem for s in ("__Slow", "__Syms", "__Trace"))
        level = SLOW if rare else FAST
        _run(["g++", *self.flags, level, "-c", str(source), "-o", self._object(source)], self.folder, self.verilator)


def _runtime(verilator: Verilator, compiler: _Compiler, trace: Trace, root: Path) -> str:
    """Verilator's own run-time library; one for all models with the same flags."""
    names = ["verilated", "verilated_threads", *RUNTIME[trace]]
    key = content_key("runtime", verilator.version, str(verilator.root), compiler_version(), cpu_flags(),
                      COMPILER_FLAGS, SLOW, trace)
    target = root / f"runtime-{key}.o"
    with locked(root / f"runtime-{key}.lock"):
        if not target.exists():
            objects = compiler.compile([verilator.root / "include" / f"{n}.cpp" for n in names])
            partial = target.with_suffix(f".{os.getpid()}.o")
            _run(["g++", "-r", "-nostdlib", *objects, "-o", str(partial)], compiler.folder, verilator)
            os.replace(partial, target)
    return str(target)


def build_model(verilog: str, *, top: str, ports: int, port_bits: int, trace: Trace = "",
                defines: tuple[str, ...] = ()) -> Path:
    """The shared library that simulates module `top`, built unless it is there already.

    Several processes may ask for the same model at once: one builds, the others wait.  NIGIRI_BUILD_DIR chooses the
    folder, NIGIRI_VERILATOR the Verilator.

    Parameters
    ----------
    verilog: text of the design.
    ports, port_bits: data ports m0_axi_.. and their width, 64 or 128.
    trace: also able to write waveforms in this format, or coverage; slower, and a model of its own.
    defines: Verilog macros, "NAME" or "NAME=value".

    Raises
    ------
    ToolMissing: Verilator or g++ is not installed.
    BuildError: they refused the design.
    """
    verilator = find_verilator()
    header = ports_header(ports, port_bits)
    # A waveform shows the design as it is.
    shared = verilog if trace else share(verilog)
    sources = {p.name: p.read_text() for p in sorted(NATIVE.iterdir()) if p.suffix in (".cpp", ".h")}
    key = content_key(shared, top, header, sources, VERILATOR_FLAGS, COMPILER_FLAGS, FAST, SLOW, defines, trace,
                      verilator.version, str(verilator.root), compiler_version(), cpu_flags())
    root = build_root()
    target = root / key
    if (target / LIBRARY).exists():
        return target / LIBRARY
    with locked(root / f"{key}.lock"):
        if (target / LIBRARY).exists():
            return target / LIBRARY
        start = time.monotonic()
        work = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=root))
        try:
            _build(work, verilator, shared, top, header, trace, defines, root)
            facts = {"top": top, "ports": ports, "port_bits": port_bits, "trace": trace,
                     "verilator": verilator.version, "compiler": compiler_version(),
                     "verilog_sha256": hashlib.sha256(verilog.encode()).hexdigest(),
                     "seconds": round(time.monotonic() - start, 1)}
            (work / "manifest.json").write_text(json.dumps(facts, indent=1) + "\n")
            if target.exists():      # left without a library by a killed process
                shutil.rmtree(target)
            os.rename(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target / LIBRARY


def _build(work: Path, verilator: Verilator, verilog: str, top: str, header: str, trace: Trace,
           defines: tuple[str, ...], root: Path) -> None:
    objects = work / "obj"
    objects.mkdir()
    (work / "design.v").write_text(verilog)
    (objects / "ports.h").write_text(header)
    _run([*verilator.command, *VERILATOR_FLAGS, *WRITES[trace], *(f"-D{d}" for d in defines),
          "--top-module", top, "-Mdir", "obj", "design.v"], work, verilator)
    compiler = _Compiler(objects, verilator, trace)
    compiler.precompile(objects / "Vdut__pch.h")
    parts = compiler.compile([NATIVE / "harness.cpp", *sorted(objects.glob("Vdut*.cpp"))])
    parts.append(_runtime(verilator, compiler, trace, root))
    libraries = ["-pthread", "-latomic", *(["-llz4", "-lz"] if trace == "fst" else [])]
    _run(["g++", "-shared", *parts, "-o", str(work / LIBRARY), *libraries], work, verilator)
    shutil.rmtree(objects)
