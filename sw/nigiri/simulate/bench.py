"""How many queries a second the simulator serves, for `nigiri bench scheduler`."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from nigiri.sched.bench import made_up_table
from nigiri.sched.slack import SlackFit
from nigiri.sched.sushi import SushiSched
from nigiri.simulate.core import simulate
from nigiri.simulate.queries import Queries

__all__ = ["simulator_speed"]

DEVICES = 4
LOAD = 0.95
ROUNDS = 3
"""The fastest counts: what else runs on the machine only slows a round down."""


def simulator_speed(subnets: int, subgraphs: int, count: int, seed: int,
                    progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Queries a second of wall-clock time on one core, policies included, on four devices at 0.95 of their capacity.

    `simulator_queries_per_s` is that of SlackFit, whose launches have several queries; SushiSched, one query a launch
    and a cache on every device, is the slowest case.
    """
    table = made_up_table(subnets, subgraphs, seed)
    sizes = (1, 2, 4, 8, 16)
    batched = replace(table, batches=sizes,
                      batch_cycles=(table.cycles[:, :1] * np.array([n ** 0.8 for n in sizes])).astype(np.int64))
    # Worked out once for a table, however many queries follow.
    assert table.lookup.rank_cycles is not None and batched.lookup.rank_cycles is not None and table.hits is not None
    rng = np.random.default_rng(seed)
    accuracy = rng.uniform(table.accuracies.min(), table.accuracies.max(), count)
    service = table.latencies_ms[:, 0].mean() / 1e3
    arrival = np.cumsum(rng.exponential(service / DEVICES / LOAD, count))
    cases: dict[str, tuple[Any, Any, Queries]] = {}
    sushi = Queries(arrival_s=arrival, deadline_s=arrival + 0.1, accuracy=accuracy,
                    latency_ms=np.full(count, np.inf))
    for distance in ("vector", "saving"):
        cases[f"SushiSched, {distance}"] = (
            lambda d=distance: SushiSched(distance=d, on_miss="best"), table, sushi)
    fast = np.cumsum(rng.exponential(batched.batch_ms[0, -1] / 16e3 / DEVICES / LOAD, count))
    cases["SlackFit, batches"] = (SlackFit(), batched, Queries.from_arrivals(fast, slo_ms=36.0))
    speed: dict[str, float] = {}
    for name, (policy, chosen, queries) in cases.items():
        for n in range(ROUNDS):
            progress(f"simulating {count} queries: {name}, round {n + 1} of {ROUNDS}")
            begin = perf_counter()
            simulate(queries, policy, chosen, devices=DEVICES)
            speed[name] = max(speed.get(name, 0.0), count / (perf_counter() - begin))
    return {"simulated_queries": count, "simulator": speed, "simulator_queries_per_s": speed["SlackFit, batches"]}
