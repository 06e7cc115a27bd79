"""From names to a service: devices, policies, tables."""
from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from nigiri import bundle
from nigiri.bundle import Bundle
from nigiri.compiler import CompiledBundle, compile_network
from nigiri.cycles import predict
from nigiri.energy import energy_for_memory
from nigiri.runtime.connect import connect
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.sched.drain import DrainFit
from nigiri.sched.placement import ClusterCache, ClusterPolicy
from nigiri.sched.policy import FixedCache, NoCache, Policy
from nigiri.sched.predicted import predicted_table
from nigiri.sched.routing import get_router
from nigiri.sched.slack import Clipper, MaxAcc, MaxBatch, SlackFit
from nigiri.sched.sushi import SushiSched
from nigiri.sched.table import LatencyTable
from nigiri.serving.backend import Backend, EngineBackend, Golden, ModelBackend
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.observer import Observer
from nigiri.serving.replica import Replica
from nigiri.serving.service import Model, Service
from nigiri.spec import AcceleratorConfig, get_config
from nigiri.spec.memory import default_memory

__all__ = ["BATCHES", "POLICIES", "Options", "Tables", "build", "get_policy", "open_bundle", "parse_devices"]

BATCHES = (1, 2, 4, 8, 16)
SEVERAL = re.compile(r"(?:(\d{1,3})x)?(.+)")
MODEL = "model:"

POLICIES: dict[str, Callable[[int], Policy]] = {
    "sushi": lambda devices: SushiSched(distance="saving", on_miss="best"),
    "sushi-vector": lambda devices: SushiSched(on_miss="best"),
    "sushi-latency": lambda devices: SushiSched("strict_latency", distance="saving", on_miss="best"),
    "fixed": lambda devices: FixedCache(on_miss="best"), "none": lambda devices: NoCache(on_miss="best"),
    "slackfit": lambda devices: SlackFit(fit="queue"), "drainfit": DrainFit, "maxacc": lambda devices: MaxAcc(),
    "maxbatch": lambda devices: MaxBatch(),
}
"""By name, for a number of devices; each device gets one of its own."""


def get_policy(name: str, devices: int = 1) -> Callable[[], Policy]:
    """What makes the policy called `name`; "clipper:SUBNET" always serves that one, "cluster" plans the caches
    of all devices together.  Raises BadArgument."""
    if name == "cluster":
        shared, numbers = ClusterCache(devices), count()
        return lambda: ClusterPolicy(shared, next(numbers) % devices)
    kind, colon, subnet = name.partition(":")
    if kind == "clipper" and colon and subnet:
        return partial(Clipper, subnet)
    if name not in POLICIES:
        raise BadArgument(f"unknown policy {name!r}: choose one of {', '.join(POLICIES)}, cluster or "
                          "clipper:SUBNET")
    return partial(POLICIES[name], devices)


def parse_devices(names: Sequence[str]) -> list[str]:
    """Device names, "4xmodel:zcu104" as four of them; raises BadArgument for none or too many."""
    found: list[str] = []
    for name in names:
        match = SEVERAL.fullmatch(name)
        if not match:
            raise BadArgument("a device has an empty name: leave the option out, or name one")
        found += [match[2]] * int(match[1] or 1)
    if not 1 <= len(found) <= 64:
        raise BadArgument(f"a server drives 1 to 64 devices, not {len(found)}")
    return found


def open_bundle(name: str) -> Bundle:
    """The shipped bundle for "demo", else the file."""
    return bundle.load(bundle.demo_path() if name == "demo" else Path(name))


class Tables:
    """Latency tables by configuration, each predicted once."""

    def __init__(self, loaded: Bundle, subgraphs: int = 16, batches: Sequence[int] = (1,),
                 say: Callable[[str], None] = lambda text: None) -> None:
        self._bundle, self._subgraphs, self._batches, self._say = loaded, subgraphs, tuple(batches), say
        self._known: dict[int, tuple[CompiledBundle, LatencyTable]] = {}
        self._lock = threading.Lock()
        self._several: dict[int, list[CompiledBundle]] = {}

    def of(self, config: AcceleratorConfig) -> tuple[CompiledBundle, LatencyTable]:
        """Programs and table for a configuration."""
        digest = config.digest()
        with self._lock:                                     # devices open in threads of their own
            if digest not in self._known:
                self._say(f"latency table of {config.name} by the cycle model")
                compiled = self._bundle.compiled(config)
                table = predicted_table(compiled, self._bundle.subnets, subgraphs=self._subgraphs)
                self._known[digest] = compiled, self._batched(config, table, compiled)
            return self._known[digest]

    def batches(self, config: AcceleratorConfig) -> list[CompiledBundle]:
        """Programs for several images, each behind the one before."""
        self.of(config)
        return self._several.get(config.digest(), [])

    def _batched(self, config: AcceleratorConfig, table: LatencyTable, single: CompiledBundle) -> LatencyTable:
        if self._batches == (1,):
            return table
        memory, cycles, last = default_memory(config), [table.cycles[:, 0]], single
        for size in self._batches[1:]:
            last = compile_network(self._bundle.network, config, batch=size, behind=last)
            self._several.setdefault(config.digest(), []).append(last)
            cycles.append(np.array([predict(last.descriptors(s.name), config, memory, {},
                                            offset=last.program(s.name)[0]).cycles for s in table.subnets]))
        return replace(table, batches=self._batches, batch_cycles=np.stack(cycles, axis=1).astype(np.int64))


@dataclass(frozen=True, kw_only=True)
class Options:
    """See `nigiri serve --help`."""

    devices: tuple[str, ...] = ("model:zcu104",)
    policy: str = "sushi"
    router: str = "locality"
    limit: int = 1024
    subgraphs: int = 16
    batches: bool = False
    check: float = 0.0
    hang_s: float = 5.0
    clock_mhz: float | None = None
    seed: int = 0


def _engine(name: str, loaded: Bundle, tables: Tables) -> Backend:
    device = connect(name)
    try:
        compiled, table = tables.of(device.config)
        return EngineBackend(Engine(device, compiled, batches=tables.batches(device.config)), table)
    except BaseException:
        device.close()
        raise


def factories(names: Sequence[str], loaded: Bundle, options: Options,
              say: Callable[[str], None] = lambda text: None) -> tuple[list[Callable[[], Backend]], Golden]:
    """What opens each device with a bundle; raises BadArgument and ConfigError for names that do not exist."""
    tables, golden = Tables(loaded, options.subgraphs, BATCHES if options.batches else (1,), say), Golden(loaded)
    made: list[Callable[[], Backend]] = []
    for name in names:
        if name.startswith(MODEL):
            _, table = tables.of(get_config(name.removeprefix(MODEL)))
            made.append(partial(ModelBackend, golden, table, options.clock_mhz))
        else:
            made.append(partial(_engine, name, loaded, tables))
    return made, golden


def build(loaded: Bundle, options: Options, observer: Observer | None = None, version: str = "1",
          say: Callable[[str], None] = lambda text: None) -> Service:
    """A service, not yet started.

    Raises
    ------
    BadArgument: no such policy, router or device.  ConfigError, CompileError: no such configuration, or one that is
        too small.
    """
    names = parse_devices(options.devices)
    policy = get_policy(options.policy, len(names))
    if not 0 <= options.check <= 1 or options.limit < 1 or options.hang_s <= 0:
        raise BadArgument(f"check must be from 0 to 1, limit and hang_s positive, not {options.check}, {options.limit} "
                          f"and {options.hang_s}")
    made, golden = factories(names, loaded, options, say)
    replicas = [Replica(f"{name}#{n}", factory, policy(), hang_s=options.hang_s)
                for n, (name, factory) in enumerate(zip(names, made, strict=True))]
    first = names[0].removeprefix(MODEL).split(":")[-1]
    memory = default_memory(get_config(first)).name if names[0].startswith(MODEL) else "ddr4"
    dispatcher = Dispatcher(replicas, limit=options.limit, router=get_router(options.router), observer=observer,
                            check=options.check, golden=golden.logits, seed=options.seed,
                            energy=energy_for_memory(memory))
    return Service(Model.of(loaded, version), dispatcher)
