"""Runs a demonstration from the bundle to the plots."""
from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nigiri import bundle as bundles
from nigiri.bundle import Bundle
from nigiri.demo.check import GoldenCheck
from nigiri.demo.compare import compare
from nigiri.demo.latencies import latency_table
from nigiri.demo.plots import bars, timeline
from nigiri.demo.report import policy_report, show
from nigiri.demo.setup import Setup
from nigiri.demo.view import View
from nigiri.energy import energy_for_memory
from nigiri.runtime.errors import BadArgument
from nigiri.sched.policy import FixedCache, NoCache, Policy
from nigiri.sched.query import Query
from nigiri.sched.stream import StreamSettings, query_stream
from nigiri.sched.summary import summarise
from nigiri.sched.sushi import SushiSched
from nigiri.sched.table import LatencyTable
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """As the command line gives them; `accuracy` and `latency` replace every query's target when given."""

    queries: int = 160
    goal: Any = "strict_accuracy"
    period: int = 4
    distance: Any = "saving"
    subgraphs: int = 16
    accuracy: float | None = None
    latency: float | None = None
    on_miss: Any = "raise"
    seed: int = 2026
    device: str = "rtl"
    jobs: int = 2
    out: Path = Path("build/demo")


def policies(o: Options) -> list[Policy]:
    """SUSHI, the fixed cache and no cache, with the same rule for SubNets; raises SchedulerError."""
    return [SushiSched(o.goal, period=o.period, distance=o.distance, on_miss=o.on_miss),
            FixedCache(o.goal, on_miss=o.on_miss), NoCache(o.goal, on_miss=o.on_miss)]


def stream(table: LatencyTable, images: int, o: Options) -> list[Query]:
    """The queries, with the targets that the options fix."""
    queries = query_stream(table, StreamSettings(queries=o.queries, images=images, seed=o.seed))
    if o.accuracy is not None:
        queries = [q._replace(accuracy=o.accuracy) for q in queries]
    if o.latency is not None:
        queries = [q._replace(latency_ms=o.latency) for q in queries]
    return queries


def run(bundle: Bundle, config: AcceleratorConfig, memory: MemorySetting, o: Options) -> dict[str, Any]:
    """Serve the stream, print the comparison on stdout, write the plots; returns the report.

    Raises
    ------
    BadArgument, SchedulerError: an option is out of range.
    UnreachableAccuracy, UnreachableLatency: a target that no SubNet reaches.
    GoldenMismatch, DeviceError: the device failed.
    """
    if o.jobs < 1:
        raise BadArgument(f"jobs must be at least 1, not {o.jobs}")
    chosen = policies(o)
    images, labels = bundles.demo_images()
    setup = Setup.of(bundle, config, memory, o.device, images, labels)
    settings = StreamSettings(queries=o.queries, images=len(images), seed=o.seed)
    begin = time.monotonic()
    with View([p.name for p in chosen], o.queries, labels.tolist()) as view:
        view.note(f"{config.name}, memory {memory.name}, {len(setup.work.subnets)} SubNets, seed {settings.seed}")
        if o.device == "rtl":
            view.note("building the simulation (minutes the first time, then kept)")
            setup.open().close()
        graphs = setup.work.candidates(o.subgraphs)
        table = latency_table(setup, graphs, o.out.parent / "latency", jobs=o.jobs,
                              progress=view.measuring, note=view.note)
        queries = stream(table, len(images), o)
        view.serving(table)
        check = GoldenCheck(setup)
        start = time.monotonic()
        runs = compare(setup, table, queries, chosen, check, jobs=o.jobs, watch=view.served)
        seconds = time.monotonic() - start
    constants = energy_for_memory(memory.name)
    reports = {p.name: policy_report(summarise(runs[p.name], table, labels.tolist()), constants) for p in chosen}
    cycles = sum(s.execution.cycles for served in runs.values() for s in served)
    data = {
        "config": config.name, "memory": memory.name, "clock_mhz": config.clock_mhz, "device": o.device,
        "mac_per_dram_byte": setup.work.roofline.intensity, "bundle": bundle.network.name, "goal": o.goal,
        "queries": o.queries, "seed": settings.seed, "period": o.period, "distance": o.distance,
        "checked_inferences": check.checked, "energy_constants": dataclasses.asdict(constants), "policies": reports,
        "cycles_per_second": cycles / seconds, "seconds": time.monotonic() - begin,
        "latency_table": {"subnets": [s.name for s in table.subnets], "accuracy": table.accuracies.tolist(),
                          "subgraphs": [g.name for g in table.subgraphs], "cycles": table.cycles.tolist(),
                          "origin": setup.origin}}
    o.out.mkdir(parents=True, exist_ok=True)
    timeline(runs, table, o.out / "timeline.png")
    bars(reports, o.out / "policies.png")
    (o.out / "latency_table.json").write_text(table.to_json())
    show(data, Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 110))
    print(f"plots and JSON: {o.out}")
    return data
