"""Cycles and bytes of one SubNet on one machine, from the cycle model or measured."""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import import_module

from nigiri import zoo
from nigiri.compiler import CompiledBundle, SubNetInfo, compile_network
from nigiri.cycles import predict
from nigiri.cycles.check import steps
from nigiri.cycles.measure import measure_program
from nigiri.cycles.result import Prediction
from nigiri.profile.layers import names_of
from nigiri.reproduce.store import Store
from nigiri.runtime.driver import Driver
from nigiri.runtime.errors import BadArgument
from nigiri.runtime.placement import Box
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["Cost", "compiled_for", "cost", "info_of"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One inference.  layers: cycles by layer name."""

    cycles: int
    dram_bytes: int
    weight_bytes: int
    layers: dict[str, int]


@lru_cache(maxsize=2)
def _network(name: str):                                  # type: ignore[no-untyped-def]
    if name not in zoo.names():
        raise BadArgument(f"unknown network {name!r}: choose one of {', '.join(zoo.names())}")
    return zoo.cached(name)


def info_of(name: str) -> SubNetInfo:
    """The SubNet `ofa_resnet50:A`; raises BadArgument for an unknown one."""
    found: SubNetInfo = _network(name).subnet(name.partition(":")[2]).info
    return found


@lru_cache(maxsize=4)
def compiled_for(name: str, config: AcceleratorConfig) -> CompiledBundle:
    """The network `name` of the zoo for `config`."""
    return compile_network(_network(name), config)


def cost(name: str, config: AcceleratorConfig, memory: MemorySetting, resident: Mapping[int, Box],
         device: str = "model", progress: Callable[[str], None] = lambda text: None,
         store: Store | None = None) -> Cost:
    """One inference of `name` with `resident` in the persistent buffer; `device` is model or rtl.

    store: measurements that are not made again, and that new ones are added to.
    """
    compiled, subnet = compiled_for(name, config), name.partition(":")[2]
    program, offset = compiled.descriptors(subnet), compiled.program(subnet)[0]
    got: Prediction = predict(program, config, memory, resident, offset=offset)
    cycles = [round(x.cycles) for x in got.layers]
    total = got.cycles
    if device == "rtl":
        cycles, total = _measured(name, compiled, config, memory, resident, progress, store)
    names, layers = names_of(compiled, program), dict[str, int]()
    for part in steps(program):
        layers[names[part[0]]] = layers.get(names[part[0]], 0) + sum(cycles[n] for n in part)
    return Cost(cycles=total, dram_bytes=got.dram_bytes, weight_bytes=got.nbytes["weights"], layers=layers)


def _measured(name: str, compiled: CompiledBundle, config: AcceleratorConfig, memory: MemorySetting,
              resident: Mapping[int, Box], progress: Callable[[str], None],
              store: Store | None) -> tuple[list[int], int]:
    """(cycles of each descriptor, cycles of all) on the RTL."""
    key = Store.key(name, asdict(config), asdict(memory), sorted(resident.items()),
                    hashlib.sha256(compiled.image.tobytes()).hexdigest(),
                    import_module("nigiri_sim.source").verilog_of(config))
    known = store.get(key) if store else None
    if known:
        return known
    what = f"{name} on the RTL of {config.name}, {config.clock_mhz:g} MHz, {len(resident)} layers cached"
    progress(what)
    opened = import_module("nigiri_sim.device").RtlDevice(config, memory)
    try:
        with Driver(opened, config) as driver:
            cycles, counters = measure_program(driver, compiled, name.partition(":")[2], resident)
    finally:
        opened.close()
    if store:
        store.put(key, what, cycles, counters.cycles)
    return cycles, counters.cycles
