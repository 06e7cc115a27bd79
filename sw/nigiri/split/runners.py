"""Who computes a part: golden arithmetic, or a device.  :mod:`nigiri.split.torch_runner` has the one in torch."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from nigiri.compiler.graph import INPUT, Network
from nigiri.compiler.interpret import Interpreter
from nigiri.runtime.device import Device
from nigiri.split.boundary import crossing
from nigiri.split.engine import PartEngine
from nigiri.split.part import compile_parts, part_of

__all__ = ["DeviceRunner", "GoldenRunner", "Runner"]

Tensors = Mapping[str, np.ndarray]


class Runner(Protocol):
    """Runs layers `first` .. `end` - 1 of a SubNet.

    tensors: what crosses the first cut, int8 [channels, height, width] by name; the image as uint8 [height, width,
    channels] under "input".  Returns what crosses the other one.
    """

    def run(self, subnet: str, first: int, end: int, tensors: Tensors) -> dict[str, np.ndarray]: ...


class GoldenRunner:
    """NumPy, exact integers."""

    def __init__(self, network: Network):
        self.network = network
        self._known: dict[str, Interpreter] = {}

    def run(self, subnet: str, first: int, end: int, tensors: Tensors) -> dict[str, np.ndarray]:
        if subnet not in self._known:
            self._known[subnet] = Interpreter(self.network, subnet)
        golden = self._known[subnet]
        have = {}
        for name, value in tensors.items():
            if name == INPUT and value.dtype == np.uint8:
                have[name] = golden.encode(value[None])
            else:
                have[name] = np.ascontiguousarray(value.transpose(1, 2, 0)[None])
        out = golden.part(have, first, end)
        # The image crosses as it came: its codes are the receiver's business.
        return {t: np.asarray(tensors[t]) if t in tensors else out[t][0].transpose(2, 0, 1)
                for t in crossing(self.network, golden.subnet, end)}


class DeviceRunner:
    """A device with the programs of some parts.

    Parameters
    ----------
    parts: (SubNet, first layer, end) of every part that it will be asked for.
    """

    def __init__(self, network: Network, device: Device, parts: Iterable[tuple[str, int, int]]):
        subnets = [part_of(network, *p) for p in dict.fromkeys(parts)]
        self.engine = PartEngine(device, compile_parts(network, device.config, subnets))
        self.cycles = 0

    def run(self, subnet: str, first: int, end: int, tensors: Tensors) -> dict[str, np.ndarray]:
        """Raises BadArgument for a part that it does not have, DeviceError when the device fails."""
        result = self.engine.run(f"{subnet}[{first}:{end}]", tensors)
        self.cycles += result.counters.cycles
        return result.tensors[0]

    def close(self) -> None:
        """Free the window; the device stays open."""
        self.engine.close()
