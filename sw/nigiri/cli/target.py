"""What a command works on: BUNDLE:SUBNET, and the device that runs it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nigiri import bundle, zoo
from nigiri.bundle import Bundle
from nigiri.cli.extras import need
from nigiri.compiler import CompiledBundle, Network, SubNetInfo, compile_network
from nigiri.runtime.device import Device
from nigiri.runtime.errors import BadArgument
from nigiri.spec import AcceleratorConfig, MemorySetting, get_config, get_memory
from nigiri.spec.memory import default_memory

__all__ = ["Target", "load_bundle", "machine", "open_device", "open_target"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A SubNet, its network, and how to compile that."""

    subnet: SubNetInfo
    network: Network
    compile: Callable[[AcceleratorConfig], CompiledBundle]

    @property
    def subnets(self) -> tuple[SubNetInfo, ...]:
        return tuple(s.info for s in self.network.subnets)


def load_bundle(name: str) -> Bundle:
    """The shipped bundle for "demo", else the file of that name."""
    return bundle.load(bundle.demo_path() if name == "demo" else Path(name))


def open_target(text: str) -> Target:
    """The network and SubNet of BUNDLE:SUBNET; `min` and `max` are the smallest and the largest SubNet by MACs.

    The name of a network of :mod:`nigiri.zoo` in place of a bundle takes that one, calibrated once and kept; a .json
    file of SubNets, as `nigiri pareto` writes it, takes its SubNet.

    Raises
    ------
    BadArgument: not of that form, or no such SubNet; the message lists those that exist.
    """
    name, colon, subnet = text.rpartition(":")
    if not colon or not name or not subnet:
        raise BadArgument(f"the network must be BUNDLE:SUBNET, for example demo:max, not {text!r}")
    if text in zoo.names() or name.endswith(".json"):
        network = zoo.cached(text) if text in zoo.names() else zoo.load_file(Path(name), subnet)
        return Target(subnet=network.subnet(subnet).info, network=network,
                      compile=lambda config: compile_network(network, config))
    if name in zoo.names():
        listed = ", ".join(n.partition(":")[2] for n in zoo.names() if n.startswith(f"{name}:"))
        raise BadArgument(f"network {name!r} has no SubNet {subnet!r}: choose one of {listed}")
    loaded = load_bundle(name)
    by_name = {s.name: s for s in loaded.subnets}
    ordered = sorted(loaded.subnets, key=lambda s: s.macs)
    by_name = {"min": ordered[0], "max": ordered[-1], **by_name}
    if subnet not in by_name:
        raise BadArgument(f"bundle {name!r} has no SubNet {subnet!r}: choose one of {', '.join(by_name)}")
    return Target(subnet=by_name[subnet], network=loaded.network, compile=loaded.compiled)


def machine(config: str, memory: str) -> tuple[AcceleratorConfig, MemorySetting]:
    """The named configuration, and the named memory setting ("" for the one of its board); raises ConfigError."""
    chosen = get_config(config)
    return chosen, get_memory(memory) if memory else default_memory(chosen)


def open_device(kind: str, config: AcceleratorConfig, memory: MemorySetting) -> Device:
    """The device called `kind`.

    Raises
    ------
    BadArgument: no such device.  MissingExtra: the simulator's packages are not installed.
    """
    if kind == "golden":
        from nigiri.model import GoldenDevice

        return GoldenDevice(config)
    if kind == "rtl":
        need("nigiri_hw.build.verilog", "sim")
        rtl: Device = need("nigiri_sim.device", "sim").RtlDevice(config, memory)
        return rtl
    raise BadArgument(f"unknown device {kind!r}: choose rtl or golden")
