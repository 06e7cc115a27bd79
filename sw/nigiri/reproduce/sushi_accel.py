"""The experiments of SUSHI on this accelerator: the engine layer by layer, and what SubGraph Stationary saves."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nigiri.cycles.best import best_subgraph
from nigiri.reproduce.machines import machine_at, without_pb
from nigiri.reproduce.published import DPU, ENGINE, ENGINE_MS, GAINS, LAYERS_3X3
from nigiri.reproduce.run import compiled_for, cost, info_of
from nigiri.reproduce.store import Store
from nigiri.runtime.placement import size
from nigiri.spec import AcceleratorConfig
from nigiri.spec.memory import default_memory

__all__ = ["CONFIGS", "NETWORKS", "Request", "reproduce", "sgs_row"]

RESNETS = tuple(f"ofa_resnet50:{n}" for n in ENGINE_MS)
NETWORKS = (*RESNETS, *(f"ofa_mbv3_w10:{n}" for n in ("min", "mid", "max")))
CONFIGS = ("sushi_zcu104", "zcu104@200", "zcu104@300", "sushi_u50", "kv260")
MACHINE = "sushi_zcu104"

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.  configs: for SGS, each with @MHz for another clock.  store: measurements that are kept."""

    networks: tuple[str, ...] = NETWORKS
    configs: tuple[str, ...] = CONFIGS
    device: str = "model"
    store: Store | None = None


def _milliseconds(cycles: int, config: AcceleratorConfig, mac_units: int, clock_mhz: float) -> float:
    """`cycles` of `config`, as if it had so many MAC units at that clock."""
    return cycles * config.mac_units / mac_units / (clock_mhz * 1e3)


def versus_published(network: str, device: str, progress: Progress, store: Store | None = None) -> dict[str, Any]:
    """A ResNet50 SubNet against the published engine, at its MAC units and clock; the whole network, empty cache."""
    config = machine_at(MACHINE)
    memory = default_memory(config)
    got = cost(network, config, memory, {}, device, progress, store)
    letter = network.partition(":")[2]
    ours = _milliseconds(got.cycles, config, int(str(ENGINE["mac_units"])), float(str(ENGINE["clock_mhz"])))
    return {"network": network, "config": config.name, "memory": memory.name, "cycles": got.cycles,
            "utilization": info_of(network).macs / (got.cycles * config.mac_units),
            "ms": ours, "published_ms": ENGINE_MS[letter], "ratio": ours / ENGINE_MS[letter]}


def versus_dpu(device: str, progress: Progress, store: Store | None = None) -> dict[str, Any]:
    """The 3x3 layers of SubNet F against measured ones of the DPU and of the published engine."""
    network, config = "ofa_resnet50:F", machine_at(MACHINE)
    got = cost(network, config, default_memory(config), {}, device, progress, store)
    ours = [c for name, c in got.layers.items() if name.startswith("stem") or name.endswith("conv2")]
    rows = []
    for cycles, (layer, k, c, side, stride, dpu, engine) in zip(ours, LAYERS_3X3, strict=True):
        rows.append({"layer": layer, "out_channels": k, "in_channels": c, "side": side, "stride": stride,
                     "cycles": cycles, "dpu_ms": dpu, "sushiaccel_ms": engine,
                     "ms_at_dpu_macs": _milliseconds(cycles, config, int(str(DPU["mac_units"])), 100.0),
                     "ms_at_sushiaccel_macs": _milliseconds(cycles, config, int(str(ENGINE["mac_units"])), 100.0)})
    return {"network": network, "layers": rows,
            **{f"{key}_sum": sum(r[key] for r in rows)
               for key in ("dpu_ms", "sushiaccel_ms", "ms_at_dpu_macs", "ms_at_sushiaccel_macs")}}


def sgs_row(network: str, where: str, device: str, progress: Progress,
            store: Store | None = None) -> dict[str, Any]:
    """A SubNet with its best SubGraph cached, against the same memory without a persistent buffer."""
    config = machine_at(where)
    plain, memory = without_pb(config), default_memory(config)
    boxes = best_subgraph(compiled_for(network, config), network.partition(":")[2], memory)
    with_pb = cost(network, config, memory, boxes, device, progress, store)
    without = cost(network, plain, memory, {}, device, progress, store)
    empty = cost(network, config, memory, {})
    macs = info_of(network).macs
    return {"network": network, "config": where.partition("@")[0], "clock_mhz": config.clock_mhz,
            "memory": memory.name, "memory_gbs": memory.bytes_per_cycle(config) * config.clock_mhz / 1e3,
            "mac_per_byte": config.mac_units / memory.bytes_per_cycle(config),
            "weight_ram_kib": (config.db_words + config.pb_words) // 16,
            "weight_ram_kib_without_pb": plain.db_words // 16,
            "cached_bytes": 64 * sum(size(b) for b in boxes.values()),
            "cycles": with_pb.cycles, "cycles_without_pb": without.cycles, "cycles_empty_pb": empty.cycles,
            "ms": with_pb.cycles / (config.clock_mhz * 1e3), "ms_without_pb": without.cycles / (plain.clock_mhz * 1e3),
            "utilization": macs / (with_pb.cycles * config.mac_units),
            "latency_gain": 1 - with_pb.cycles / without.cycles,
            "offchip_bytes": with_pb.dram_bytes, "offchip_bytes_without_pb": without.dram_bytes,
            "offchip_energy_saved": 1 - with_pb.dram_bytes / without.dram_bytes,
            "weight_energy_saved": 1 - with_pb.weight_bytes / without.weight_bytes}


def reproduce(request: Request, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Everything, with its conditions.

    Raises
    ------
    BadArgument, ConfigError: an unknown network, configuration or clock.
    """
    machines = {where: machine_at(where) for where in request.configs}
    for network in request.networks:
        info_of(network)
    published, sgs = [], []
    for network in request.networks:
        if network in RESNETS:
            progress(f"{network} against the published engine")
            published.append(versus_published(network, request.device, progress, request.store))
        for where in machines:
            progress(f"{network} on {where} with and without a persistent buffer")
            sgs.append(sgs_row(network, where, request.device, progress, request.store))
    return {
        "device": request.device,
        "conditions": {
            "time": "whole network from doorbell to done, stem, pooling and classifier included; random weights",
            "equal_units": "cycles x our MAC units / their MAC units, at their clock",
            "memory": "the board's memory and the ports at 80 % of their peak, with latency and bounded bursts",
            "without_pb": "the persistent buffer's memory belongs to the dynamic buffer, to the nearest power of two",
            "cache": "the SubGraph that saves most cycles per byte, filled before; its filling is not counted",
            "offchip_energy": "in proportion to all off-chip bytes of one inference",
            "engine": ENGINE, "dpu": DPU, "published_gains": GAINS},
        "versus_published": published,
        "versus_dpu": versus_dpu(request.device, progress, request.store)
        if "ofa_resnet50:F" in request.networks else None,
        "sgs": sgs,
        "largest": {key: max((r[key] for r in sgs), default=None) for key in ("latency_gain", "offchip_energy_saved")}}
