"""The scheduler's view of a compiled SuperNet on one accelerator: its layers, SubNets, capacity and rates."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nigiri.compiler import CompiledBundle, SubNetInfo
from nigiri.cycles.fills import fill_cost
from nigiri.sched.benefit import Roofline
from nigiri.sched.candidates import best_for, candidates
from nigiri.sched.subgraph import Candidate, Layer
from nigiri.sched.table import LatencyTable, Measure, SubNet, build_table
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["Workload", "workload"]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """SubNets in order of their MACs; `layers` are those that some SubNet uses."""

    config: AcceleratorConfig
    memory: MemorySetting
    layers: tuple[Layer, ...]
    subnets: tuple[SubNet, ...]

    @property
    def roofline(self) -> Roofline:
        return Roofline.of(self.config, self.memory)

    def candidates(self, count: int = 16, *, seed: int = 0) -> list[Candidate]:
        """Candidate SubGraphs within the persistent buffer; the first is empty."""
        return candidates({s.name: s.boxes for s in self.subnets}, self.layers, self.roofline, self.config.pb_words,
                          count=count, seed=seed)

    def best_for(self, subnet: SubNet) -> list[Candidate]:
        """SubGraphs worth trying for one SubNet alone."""
        return best_for(subnet.boxes, self.layers, self.roofline, self.config.pb_words)

    def estimate(self, subnet: SubNet, cached: Candidate) -> int:
        """Cycles by the roofline: each output block takes the longer of computing and fetching it."""
        by_id = {layer.id: layer for layer in self.layers}
        cycles = 0.0
        for i, box in subnet.boxes.items():
            cycles += box[0] * max(self.roofline.block_cycles(by_id[i], box))
            if i in cached.boxes:
                cycles -= self.roofline.saved(by_id[i], box, cached.boxes[i])
        return max(1, round(cycles))

    def table(self, graphs: Sequence[Candidate], measure: Measure, *, origin: str, source: dict[str, Any] | None = None,
              progress: Callable[[int, int], None] | None = None) -> LatencyTable:
        """A latency table of these SubNets; its source names configuration and memory setting."""
        facts = {"config": self.config.name, "config_digest": f"{self.config.digest():#010x}",
                 "memory": self.memory.name, **(source or {})}
        return build_table(self.subnets, graphs, measure, layers=self.layers, clock_mhz=self.config.clock_mhz,
                           capacity=self.config.pb_words, origin=origin, source=facts, progress=progress,
                           fill=fill_cost(self.config, self.memory))


def workload(compiled: CompiledBundle, subnets: Sequence[SubNetInfo], memory: MemorySetting) -> Workload:
    """What the scheduler needs to know of `compiled`, with accuracies and MACs from `subnets`."""
    layers = tuple(Layer(x.id, x.name, min(x.pixels.values()), x.depthwise) for x in compiled.layers if x.pixels)
    rows = tuple(SubNet(s.name, s.accuracy_int8, compiled.subnet_boxes(s.name), s.macs)
                 for s in sorted(subnets, key=lambda s: s.macs))
    return Workload(config=compiled.config, memory=memory, layers=layers, subnets=rows)
