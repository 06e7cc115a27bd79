"""A sweep over array size, persistent buffer and memory bandwidth, on the cycle model."""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from nigiri.cycles.best import best_subgraph
from nigiri.reproduce.run import compiled_for, cost, info_of
from nigiri.runtime.errors import BadArgument, NigiriError
from nigiri.spec import AcceleratorConfig, MemorySetting, get_config
from nigiri.spec.config import ConfigError

__all__ = ["Point", "evaluate", "points", "read_done", "sweep"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One machine and one network.  pb_kib: persistent buffer; gbs: peak of the memory, 1e9 bytes a second."""

    network: str
    base: str
    lanes: int
    pb_kib: int
    gbs: float

    def config(self) -> AcceleratorConfig:
        """`base` with other lanes and another persistent buffer; ConfigError when that cannot be built."""
        base = get_config(self.base)
        share = base.lanes // base.requant_pixels
        if self.lanes % share:
            raise ConfigError(f"lanes must be a multiple of {share} on {self.base}, not {self.lanes}")
        return replace(base, name=f"{self.base}_p{self.lanes}_pb{self.pb_kib}", lanes=self.lanes,
                       requant_pixels=self.lanes // share, pb_words=16 * self.pb_kib)

    def memory(self) -> MemorySetting:
        """The memory at 80 % of its peak."""
        return MemorySetting(name=f"{self.gbs:g} GB/s", peak_gbs=self.gbs, latency=50)


def points(networks: Sequence[str], base: str, lanes: Sequence[int], pb_kib: Sequence[int],
           gbs: Sequence[float]) -> list[Point]:
    """All combinations; raises what a point's configuration or memory raises, and BadArgument for a network."""
    for network in networks:
        info_of(network)
    out = [Point(network=n, base=base, lanes=p, pb_kib=k, gbs=g) for n, p, k, g in
           product(networks, lanes, pb_kib, gbs)]
    for point in out:
        point.config(), point.memory()
    return out


def evaluate(point: Point) -> dict[str, Any]:
    """Cycles, latency and bytes of a point with the SubGraph that helps most; "error" when it cannot be compiled."""
    config, memory = point.config(), point.memory()
    row: dict[str, Any] = asdict(point)
    try:
        compiled = compiled_for(point.network, config)
        boxes = best_subgraph(compiled, point.network.partition(":")[2], memory)
        got = cost(point.network, config, memory, boxes)
    except NigiriError as error:
        return {**row, "error": str(error)}
    macs = info_of(point.network).macs
    return {**row, "cycles": got.cycles, "ms": got.cycles / (config.clock_mhz * 1e3), "dram_bytes": got.dram_bytes,
            "mac_units": config.mac_units, "mac_per_byte": config.mac_units / memory.bytes_per_cycle(config),
            "utilization": macs / (got.cycles * config.mac_units)}


def _key(row: dict[str, Any]) -> Point:
    return Point(**{k: row[k] for k in ("network", "base", "lanes", "pb_kib", "gbs")})


def read_done(path: Path) -> dict[Point, dict[str, Any]]:
    """Points that an earlier run wrote; a last line that was cut off is left out.

    Raises
    ------
    BadArgument: the file holds something else.
    """
    out = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for n, line in enumerate(lines):
        try:
            row = json.loads(line)
            out[_key(row)] = row
        except (ValueError, KeyError, TypeError):
            if n + 1 < len(lines):
                raise BadArgument(f"{path}, line {n + 1}, is no point of a sweep: give another file") from None
    return out


def sweep(wanted: Sequence[Point], path: Path, jobs: int = 1,
          progress: Callable[[int, int], None] = lambda done, total: None) -> list[dict[str, Any]]:
    """Evaluate the points that are not in `path` yet, appending each to it as a line of JSON; all rows, in order."""
    if jobs < 1:
        raise BadArgument(f"jobs must be at least 1, not {jobs}")
    done = read_done(path)
    rows = {p: done[p] for p in wanted if p in done}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():                         # without what an interrupted run left of its last line
        path.write_text("".join(json.dumps(row) + "\n" for row in done.values()))
    progress(len(rows), len(wanted))
    with path.open("a") as file:
        for point, row in _evaluated([p for p in wanted if p not in rows], jobs):
            rows[point] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
            progress(len(rows), len(wanted))
    return [rows[p] for p in wanted]


def _evaluated(todo: Sequence[Point], jobs: int) -> Iterator[tuple[Point, dict[str, Any]]]:
    if jobs == 1 or len(todo) < 2:
        for point in todo:
            yield point, evaluate(point)
        return
    with ProcessPoolExecutor(jobs) as pool:
        futures = {pool.submit(evaluate, point): point for point in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()
