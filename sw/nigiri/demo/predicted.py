"""SushiSched drives the RTL, with a latency table of the cycle model: how well each query's latency was predicted."""
from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from nigiri import bundle as bundles
from nigiri.demo.check import GoldenCheck
from nigiri.demo.server import DeviceServer
from nigiri.demo.setup import Setup
from nigiri.sched.predicted import predicted_table
from nigiri.sched.serve import serve
from nigiri.sched.stream import StreamSettings, query_stream
from nigiri.sched.sushi import SushiSched
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory

__all__ = ["predicted"]


def predicted(config: str, queries: int, seed: int, progress: Callable[[str], None] = lambda text: None, *,
              subgraphs: int = 16, period: int = 4, load: float = 0.0) -> dict[str, Any]:
    """Serve a phased stream of the shipped SuperNet on the RTL; every answer is compared with the golden model.

    The rule is the published one, which changes the cache most often.  With `load` 0 the device never rests, so that
    every fill is paid in full.  Queries beside a running fill are told apart: their prediction counts what is cached
    only from the fill's end on, so that it is a bound, where every other is exact.
    """
    chosen = get_config(config)
    memory = default_memory(chosen)
    images, labels = bundles.demo_images()
    setup = Setup.of(bundles.load(bundles.demo_path()), chosen, memory, "rtl", images, labels)
    progress(f"a latency table of {config} by the cycle model")
    table = predicted_table(setup.compiled, setup.bundle.subnets, memory, subgraphs=subgraphs)
    stream = query_stream(table, StreamSettings(queries=queries, phase=10, load=load, images=len(images), seed=seed))
    progress(f"{queries} queries on the RTL")
    check = GoldenCheck(setup)
    server = DeviceServer(setup, table, check)
    try:
        served = serve(stream, SushiSched(period=period, distance="vector"), table, server)
    finally:
        server.close()
    signed = np.array([s.predicted_ms / s.service_ms - 1 for s in served])
    error, beside = abs(signed), np.array([s.cached == 0 for s in served])
    filled = np.array([s.execution.fill_cycles > 0 for s in served])
    return {"config": config, "memory": memory.name, "queries": len(served), "seed": seed, "period": period,
            "subgraphs": len(table.subgraphs), "checked": check.checked,
            "cache_changes": int(sum(a.cached != b.cached for a, b in pairwise(served))),
            "worst_error": float(error[~beside].max(initial=0.0)), "queries_beside_a_fill": int(beside.sum()),
            "longest_beside_a_fill": float(-signed[beside].min(initial=0.0)),
            "shortest_beside_a_fill": float(-signed[beside].max(initial=0.0)), "mean_error": float(error.mean()),
            "worst_error_behind_a_fill": float(error[filled].max()) if filled.any() else None}
