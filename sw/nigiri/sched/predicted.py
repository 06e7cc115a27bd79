"""A latency table without measuring: the cycle model's prediction for every SubNet and SubGraph."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from nigiri.compiler import CompiledBundle, SubNetInfo
from nigiri.cycles import predict
from nigiri.sched.subgraph import Candidate
from nigiri.sched.table import LatencyTable, SubNet
from nigiri.sched.workload import workload
from nigiri.spec import MemorySetting
from nigiri.spec.memory import default_memory

__all__ = ["predicted_table"]


def predicted_table(compiled: CompiledBundle, subnets: Sequence[SubNetInfo], memory: MemorySetting | None = None, *,
                    subgraphs: int = 16, progress: Callable[[int, int], None] | None = None) -> LatencyTable:
    """SushiAbs' table for a compiled bundle, in seconds of computing rather than minutes of measuring.

    Parameters
    ----------
    subnets: name, MACs and accuracy of each, as a bundle lists them.
    memory: the DRAM; that of the configuration's board when left out.
    subgraphs: candidates, the empty one included.
    progress: told after each number how many of how many are done.
    """
    config = compiled.config
    setting = memory or default_memory(config)
    work = workload(compiled, subnets, setting)

    def cycles(subnet: SubNet, cached: Candidate) -> int:
        return predict(compiled.descriptors(subnet.name), config, setting, cached.boxes,
                       offset=compiled.program(subnet.name)[0]).cycles
    return work.table(work.candidates(subgraphs), cycles, origin="model", progress=progress)
