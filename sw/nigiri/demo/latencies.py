"""The latency table of a demonstration: measured once, kept under a hash of everything it depends on."""
from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nigiri.demo.setup import Setup
from nigiri.runtime.engine import Engine
from nigiri.sched.errors import TableError
from nigiri.sched.subgraph import Candidate
from nigiri.sched.table import LatencyTable

__all__ = ["latency_table"]

CHECKS = 3
"""Numbers of a stored table that are measured again before it is trusted."""

Progress = Callable[[int, int], None]


def latency_table(setup: Setup, graphs: Sequence[Candidate], folder: Path, *, jobs: int = 1,
                  progress: Progress | None = None, note: Callable[[str], None] = lambda text: None) -> LatencyTable:
    """The table of all SubNets with `graphs`: from `folder` when it was measured there before, else measured.

    A few numbers of a stored table are measured again; when one differs, so are all.
    """
    key = json.dumps([setup.identity(), [[g.name, list(g.boxes.items())] for g in graphs]], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()
    path = folder / f"{digest[:24]}.json"
    if path.exists():
        try:
            table = LatencyTable.from_json(path.read_text())
            if _holds(setup, table, digest):
                note(f"latency table from {path}, {CHECKS} of its numbers measured again")
                return table
            note(f"{path} does not agree with the {setup.device} device: measuring again")
        except TableError as error:
            note(f"{path}: {error}")
    cycles = _measure(setup, graphs, jobs, progress)
    columns = {id(g): n for n, g in enumerate(graphs)}
    rows = {s.name: n for n, s in enumerate(setup.work.subnets)}
    table = setup.work.table(graphs, lambda s, g: cycles[rows[s.name], columns[id(g)]], origin=setup.origin,
                             source={"key": digest, "memory_setting": setup.identity()["memory"]})
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(table.to_json())
    return table


def _cycles(setup: Setup, engine: Engine, graph: Candidate, row: int) -> int:
    """Cycles of a SubNet with `graph` cached; they do not depend on the image."""
    engine.cache(graph.boxes)
    subnet = setup.work.subnets[row]
    return setup.cycles(engine.infer(subnet.name, setup.images[0]).counters.cycles, subnet, graph)


def _holds(setup: Setup, table: LatencyTable, digest: str) -> bool:
    if table.source.get("key") != digest:
        return False
    rng = random.Random(digest)
    device = setup.open()
    try:
        engine = setup.engine_on(device)
        for _ in range(CHECKS):
            row, column = rng.randrange(len(table.subnets)), rng.randrange(len(table.subgraphs))
            if _cycles(setup, engine, table.subgraphs[column], row) != table.cycles[row, column]:
                return False
    finally:
        device.close()
    return True


def _measure(setup: Setup, graphs: Sequence[Candidate], jobs: int,
             progress: Progress | None) -> dict[tuple[int, int], int]:
    """Cycles by (row, column); `jobs` devices work at the same time."""
    todo, rows = list(range(len(graphs)))[::-1], range(len(setup.work.subnets))
    cycles: dict[tuple[int, int], int] = {}
    lock = threading.Lock()

    def worker() -> None:
        device = setup.open()
        try:
            engine = setup.engine_on(device)
            while True:
                with lock:
                    if not todo:
                        return
                    column = todo.pop()
                for row in rows:
                    got = _cycles(setup, engine, graphs[column], row)
                    with lock:
                        cycles[row, column] = got
                        if progress:
                            progress(len(cycles), len(rows) * len(graphs))
        except BaseException:
            with lock:
                todo.clear()          # the other workers end after their column
            raise
        finally:
            device.close()

    with ThreadPoolExecutor(jobs) as pool:
        for job in [pool.submit(worker) for _ in range(jobs)]:
            job.result()
    return cycles
