"""What a demonstration runs on: bundle, configuration, memory, images, and fresh devices."""
from __future__ import annotations

import hashlib
import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.bundle import Bundle
from nigiri.compiler import CompiledBundle
from nigiri.model import GoldenDevice
from nigiri.runtime.device import Device
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.sched.subgraph import Candidate
from nigiri.sched.table import SubNet
from nigiri.sched.workload import Workload, workload
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["Setup"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """Everything that the three policies share.

    device: "rtl", or "golden" to try the flow without a simulator: results are computed, cycles are the roofline's.
    images: uint8 [n, height, width, channels]; labels: their classes.
    """

    bundle: Bundle
    config: AcceleratorConfig
    memory: MemorySetting
    device: str
    compiled: CompiledBundle
    work: Workload
    images: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, bundle: Bundle, config: AcceleratorConfig, memory: MemorySetting, device: str, images: np.ndarray,
           labels: np.ndarray) -> Setup:
        """Raises BadArgument for an unknown device or a configuration without a persistent buffer."""
        if device not in ("rtl", "golden"):
            raise BadArgument(f"unknown device {device!r}: choose rtl or golden")
        if not config.pb_words:
            raise BadArgument(f"configuration {config.name!r} has no persistent buffer: choose one that has")
        compiled = bundle.compiled(config)
        return cls(bundle=bundle, config=config, memory=memory, device=device, compiled=compiled,
                   work=workload(compiled, bundle.subnets, memory), images=images, labels=labels)

    def open(self) -> Device:
        """A fresh device."""
        if self.device == "golden":
            return GoldenDevice(self.config)
        from nigiri_sim.device import RtlDevice

        device: Device = RtlDevice(self.config, self.memory)
        return device

    def cycles(self, counted: int, subnet: SubNet, cached: Candidate) -> int:
        """What the device counted; the roofline's estimate on a device without time."""
        return counted or self.work.estimate(subnet, cached)

    @property
    def origin(self) -> str:
        """Where cycles come from: "rtl" or "roofline"."""
        return "rtl" if self.device == "rtl" else "roofline"

    def identity(self) -> dict[str, Any]:
        """Everything that cycles depend on, and a digest of each: what a stored latency table is kept under."""
        facts: dict[str, Any] = {"config": asdict(self.config), "memory": asdict(self.memory), "origin": self.origin,
                                 "image_sha256": hashlib.sha256(self.compiled.image.tobytes()).hexdigest(),
                                 "subnets": [asdict(s) for s in self.work.subnets]}
        if self.device == "rtl":
            verilog = importlib.import_module("nigiri_sim.source").verilog_of(self.config)
            facts["verilog_sha256"] = hashlib.sha256(verilog.encode()).hexdigest()
            native = Path(str(importlib.import_module("nigiri_sim").__file__)).parent / "native"
            harness = b"".join(p.read_bytes() for p in sorted(native.iterdir()) if p.is_file())
            facts["harness_sha256"] = hashlib.sha256(harness).hexdigest()
        return facts

    def engine_on(self, device: Device) -> Engine:
        """An engine that runs the bundle on `device`."""
        return Engine(device, self.compiled)
