"""How long decisions take, and how fast the simulator is: wall-clock measurements, for `nigiri bench scheduler`."""
from __future__ import annotations

import random
from collections.abc import Callable
from time import perf_counter, perf_counter_ns
from typing import Any

import numpy as np

from nigiri.sched.policy import Policy
from nigiri.sched.query import Goal, Query, State
from nigiri.sched.subgraph import Candidate, Layer
from nigiri.sched.sushi import Distance, SushiSched
from nigiri.sched.table import LatencyTable, SubNet

__all__ = ["decision_times", "made_up_table", "measure"]

LAYERS = 61
GOALS: tuple[Goal, ...] = ("strict_accuracy", "strict_latency")
DISTANCES: tuple[Distance, ...] = ("vector", "saving")
ROUNDS = 5


def made_up_table(subnets: int, subgraphs: int, seed: int) -> LatencyTable:
    """A latency table of any size: nested SubNets of a SuperNet of 61 layers, random SubGraphs; deterministic."""
    rng = random.Random(seed)
    layers = tuple(Layer(n, f"layer{n}", pixels=max(1, 3136 >> n // 8)) for n in range(LAYERS))
    nets = [SubNet(f"net{n}", 70 + 10 * n / subnets, {i: (4 + 60 * n // subnets, 4 + 60 * n // subnets, 9)
                                                      for i in range(LAYERS)}, macs=10 ** 6 * (n + 1))
            for n in range(subnets)]
    graphs = [Candidate("empty", {})]
    for n in range(1, subgraphs):
        some = sorted(rng.sample(range(LAYERS), 12))
        graphs.append(Candidate(f"graph{n}", {i: (rng.randint(1, 32), rng.randint(1, 32), 9) for i in some}))
    base = np.linspace(1e5, 1e6, subnets)[:, None]
    share = 1 - 0.3 * np.random.default_rng(seed).random((subnets, subgraphs))
    share[:, 0] = 1
    return LatencyTable(layers=layers, subnets=tuple(nets), subgraphs=tuple(graphs), clock_mhz=300.0,
                        cycles=(base * share).astype(np.int64), capacity=12 * 32 * 32 * 9,
                        origin=tuple(("made up",) * subgraphs for _ in range(subnets)), fill_word_cycles=2.0,
                        fill_entry_cycles=200.0, memory_word_cycles=1.0, source={"config": "made up", "memory": ""})


def decision_times(policy: Policy, table: LatencyTable, count: int, seed: int) -> np.ndarray:
    """Microseconds of each of `count` decisions, caching decisions included, as the loop asks for them."""
    rng = random.Random(seed)
    low, high = table.accuracies.min(), table.accuracies.max()
    slow, fast = table.latencies_ms.max(), table.latencies_ms.min()
    queries = [Query(accuracy=rng.uniform(low, high), latency_ms=rng.uniform(fast, slow), image=n)
               for n in range(count)]
    cached = policy.start(table)
    times = np.zeros(count)
    for n, query in enumerate(queries):
        state = State(cached, n)
        begin = perf_counter_ns()
        decision = policy.decide(query, state, table)
        times[n] = (perf_counter_ns() - begin) / 1e3
        cached = cached if decision.load is None else decision.load
    return times


def measure(subnets: int, subgraphs: int, count: int, seed: int,
            progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Decisions of SushiSched by goal and rule, one core; `decision_us` is that of our rule with strict accuracy.

    Of five rounds the fastest counts.
    """
    progress(f"a table of {subnets} SubNets and {subgraphs} SubGraphs")
    begin = perf_counter()
    table = made_up_table(subnets, subgraphs, seed)
    rows = len(table.lookup.decisions)                 # the look-ups are worked out on first use
    prepared = perf_counter() - begin
    out: dict[str, Any] = {}
    for goal in GOALS:
        for distance in DISTANCES:
            progress(f"{count} decisions: {goal}, {distance}")
            policy = SushiSched(goal, distance=distance, on_miss="best")
            rounds = [decision_times(policy, table, count, seed + n) for n in range(ROUNDS)]
            # What else runs on the machine only slows a round down.
            times = min(rounds, key=lambda x: float(x.mean()))
            out[f"{goal}/{distance}"] = {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99)),
                                         "mean": float(times.mean()), "max": float(times.max())}
    return {"subnets": rows, "subgraphs": subgraphs, "decisions": count, "seed": seed, "lookup_s": prepared,
            "rounds": ROUNDS, "decision_us": out["strict_accuracy/saving"], "by_policy": out}
