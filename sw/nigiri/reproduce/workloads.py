"""The SubNets of the end-to-end experiments, with their accuracies, and latency tables of them from the cycle model."""
from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np

from nigiri import zoo
from nigiri.compiler import CompiledBundle, Network, compile_network
from nigiri.cycles import Prediction, predict
from nigiri.reproduce.machines import machine_at
from nigiri.runtime.errors import BadArgument
from nigiri.sched.errors import TableError
from nigiri.sched.subgraph import WORD, Box, Candidate, words
from nigiri.sched.table import LatencyTable, SubNet
from nigiri.sched.workload import Workload, workload
from nigiri.spec.memory import default_memory

__all__ = ["FAMILIES", "RESNET_TOP1", "Machine", "joined", "latency_table", "load_table", "save_table", "shipped_table",
           "table_path"]

FAMILIES = ("resnet50", "mobilenet_v3", "mobilenet_v3_160")
RESNET_TOP1 = {"A": 75.0, "B": 76.3, "C": 78.3, "D": 79.0, "E": 79.7, "F": 79.8}
"""ImageNet top-1 of the six published OFA-ResNet50 SubNets (mit-han-lab/once-for-all), float32."""
LIMIT = 256 << 20
"""Largest latency table, bytes of text."""


def data(name: str) -> Path:
    """A file that comes with the package."""
    return Path(str(files("nigiri").joinpath("data", name)))


def networks(family: str) -> dict[str, tuple[float, Callable[[], Network]]]:
    """(accuracy, loader) by SubNet; raises BadArgument for an unknown family."""
    if family == "resnet50":
        return {n: (top1, partial(zoo.cached, f"ofa_resnet50:{n}")) for n, top1 in RESNET_TOP1.items()}
    if family in FAMILIES:
        path = data("sushi_mbv3_160.json" if family.endswith("160") else "sushi_mbv3.json")
        rows = json.loads(path.read_text())["subnets"]
        return {r["name"]: (r["accuracy"], partial(zoo.load_file, path, r["name"])) for r in rows}
    raise BadArgument(f"unknown family {family!r}: choose one of {', '.join(FAMILIES)}")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The SubNets of a family compiled for one configuration, each on its own."""

    work: Workload
    compiled: Mapping[str, CompiledBundle]

    @classmethod
    def of(cls, family: str, where: str, progress: Callable[[str], None] = lambda text: None) -> Machine:
        """where: a configuration, with @MHz for another clock; raises BadArgument, ConfigError."""
        config = machine_at(where)
        memory = default_memory(config)
        parts, compiled = list[Workload](), dict[str, CompiledBundle]()
        for name, (accuracy, load) in networks(family).items():
            progress(f"{family} {name}: compiling for {where}")
            network = load()
            compiled[name] = compile_network(network, config)
            info = replace(network.subnets[0].info, accuracy_int8=accuracy)
            parts.append(workload(compiled[name], [info], memory))
        pixels: dict[int, list[int]] = {}
        for part in parts:
            for x in part.layers:
                pixels.setdefault(x.id, []).append(x.pixels)
        by_id = {x.id: x for part in parts for x in part.layers}
        layers = tuple(replace(by_id[i], pixels=min(pixels[i])) for i in sorted(by_id))
        rows = sorted((part.subnets[0] for part in parts), key=lambda s: s.macs)
        work = Workload(config=config, memory=memory, layers=layers, subnets=tuple(rows))
        out = cls(work=work, compiled=compiled)
        full = tuple(replace(s, other_bytes=out.predict(s.name, {}).dram_bytes - WORD * words(s.boxes)) for s in rows)
        return cls(work=replace(work, subnets=full), compiled=compiled)

    def predict(self, subnet: str, resident: Mapping[int, Box]) -> Prediction:
        """One inference by the cycle model."""
        c = self.compiled[subnet]
        return predict(c.descriptors(subnet), self.work.config, self.work.memory, resident, offset=c.program(subnet)[0])

    def cycles(self, subnet: SubNet, cached: Candidate) -> int:
        """As :class:`LatencyTable` measures."""
        return self.predict(subnet.name, cached.boxes).cycles


def latency_table(family: str, where: str, count: int, batches: Iterable[int] = (1,),
                  progress: Callable[[str], None] = lambda text: None) -> LatencyTable:
    """Cycles of the family's SubNets with `count` candidate SubGraphs, and of launches of several images.

    Raises
    ------
    BadArgument, ConfigError: an unknown family, configuration or clock.
    """
    machine = Machine.of(family, where, progress)
    work = machine.work
    graphs = work.candidates(count) if work.config.pb_words else [Candidate("empty", {})]
    total = len(work.subnets) * len(graphs)

    def say(done: int, _: int) -> None:
        if done % max(1, total // 20) == 0:
            progress(f"{family} on {where}: {done} of {total} latencies")

    table = work.table(graphs, machine.cycles, origin="model", source={"family": family, "machine": where},
                       progress=say)
    sizes = tuple(batches)
    if sizes == (1,):
        return table
    cycles = np.zeros((len(work.subnets), len(sizes)), np.int64)
    for i, s in enumerate(work.subnets):
        network = networks(family)[s.name][1]()
        for k, size in enumerate(sizes):
            progress(f"{family} {s.name} on {where}: launches of {size}")
            c = compile_network(network, work.config, batch=size)
            cycles[i, k] = predict(c.descriptors(s.name), work.config, work.memory, {},
                                   offset=c.program(s.name)[0]).cycles
    return replace(table, batches=sizes, batch_cycles=cycles)


def save_table(table: LatencyTable, path: Path) -> None:
    """The table as compressed text; the same table gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(table.to_json().encode(), mtime=0))


def load_table(path: Path) -> LatencyTable:
    """Raises TableError when there is no such file, it is too large, or it holds no latency table."""
    try:
        with gzip.open(path) as file:
            raw = file.read(LIMIT + 1)
    except (OSError, EOFError) as error:
        raise TableError(f"{path} cannot be read as a compressed latency table ({error}): measure it again") from error
    if len(raw) > LIMIT:
        raise TableError(f"{path} holds more than {LIMIT} bytes: it is no latency table")
    return LatencyTable.from_json(raw.decode(errors="replace"))


def table_path(family: str, where: str) -> Path:
    """Where the package keeps a table."""
    return data(f"tables/{family}-{where.replace('@', '-')}.json.gz")


def shipped_table(family: str, where: str) -> LatencyTable:
    """A table that comes with the package.

    Raises
    ------
    BadArgument: an unknown family.  TableError: the package has none for this machine.
    """
    if family not in FAMILIES:
        raise BadArgument(f"unknown family {family!r}: choose one of {', '.join(FAMILIES)}")
    path = table_path(family, where)
    if not path.exists():
        raise TableError(f"no latency table of {family} on {where} comes with the package: make one with "
                         f"nigiri table {family} --config {where}")
    return load_table(path)


def joined(tables: Sequence[LatencyTable]) -> LatencyTable:
    """SubNets of several tables of one SuperNet on one machine, for different image sides, with nothing cached.

    Their names get the place of their table: "A" of the second is "A.2".
    """
    first = tables[0]
    subnets = [replace(s, name=f"{s.name}.{n + 1}") for n, t in enumerate(tables) for s in t.subnets]
    layers = {x.id: x for t in tables for x in t.layers}
    return LatencyTable(
        layers=tuple(layers[i] for i in sorted(layers)), subnets=tuple(subnets), subgraphs=(Candidate("empty", {}),),
        cycles=np.concatenate([t.cycles[:, :1] for t in tables]), clock_mhz=first.clock_mhz, capacity=first.capacity,
        origin=(("model",),) * len(subnets), source=first.source, batches=first.batches,
        batch_cycles=np.concatenate([t.batch_cycles for t in tables if t.batch_cycles is not None]))
