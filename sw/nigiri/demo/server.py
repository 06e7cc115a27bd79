"""Executes the scheduler's decisions on a device."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nigiri.counts import dram_bytes
from nigiri.demo.check import GoldenCheck
from nigiri.demo.setup import Setup
from nigiri.sched.query import Query
from nigiri.sched.server import Execution
from nigiri.sched.table import LatencyTable

__all__ = ["DeviceServer"]

SURE = 1.5
"""Times the predicted length of a fill in which it has ended: the clock need not run on longer."""


class DeviceServer:
    """One device with its own memory; it fills its cache between two queries, or beside one.

    Cycles of a query are those its program counted, contention with a running fill included.  When a fill outlasts the
    query that it ran beside, the rest is added to it as well: the most that a cache change can cost.  Bytes of a fill
    are booked on that query, as kind "fill".
    """

    def __init__(self, setup: Setup, table: LatencyTable, check: GoldenCheck) -> None:
        self._setup, self._table, self._check = setup, table, check
        self._device = setup.open()
        self._engine = setup.engine_on(self._device)
        self._column, self._filling, self._left = 0, False, 0
        self.cycles = 0

    def load(self, column: int) -> None:
        """Start to load the SubGraph of a column."""
        change = self._engine.cache(self._table.subgraphs[column].boxes, wait=False)
        self._left = round(SURE * float(self._table.lookup.fill_cycles[self._column, column]))
        self._column, self._filling = column, change.entries > 0

    def rest(self, cycles: int) -> None:
        """Let the device's clock run on while a fill needs it; a device without a clock has filled already."""
        step = getattr(self._device, "step", None)
        if step and self._filling and (cycles := min(cycles, self._left)) > 0:
            step(cycles)
            self._left -= cycles

    def infer(self, row: int, queries: Sequence[Query], wait: bool) -> Execution:
        """Run a SubNet for all queries and compare every answer with the golden model.

        They are one launch if the programs are compiled for as many images; else one launch after the other.

        Raises
        ------
        BadArgument: programs for another number of images.  GoldenMismatch, DeviceError: the device failed.
        """
        subnet = self._table.subnets[row]
        images = [self._setup.images[q.image] for q in queries]
        fill, before = self._finish_fill() if wait else (0, 0)
        if self._setup.compiled.batch == len(queries) > 1:
            got = self._engine.infer_batch(subnet.name, images)
            launches = got[:1]
        else:
            got = launches = [self._engine.infer(subnet.name, image) for image in images]
        rest = 0
        if not wait:
            fill, rest = self._finish_fill()
        for query, answer in zip(queries, got, strict=True):
            self._check(subnet.name, query.image, answer.logits)
        cached = self._table.subgraphs[self._column]
        cycles = sum(self._setup.cycles(x.counters.cycles, subnet, cached) for x in launches)
        self.cycles += cycles
        kinds: Counter[str] = Counter(fill=fill)
        for x in launches:
            kinds.update({k: v for k, v in dram_bytes(x.counters, 0).items() if k not in ("total", "fill")})
        return Execution(cycles + rest, dict(kinds), sum(x.counters.bytes_weights_pb for x in launches),
                         tuple(x.label for x in got), before)

    def _finish_fill(self) -> tuple[int, int]:
        """(bytes read, cycles waited for) of the fill that is under way."""
        if not self._filling:
            return 0, 0
        before = getattr(self._device, "cycles", 0)
        read = self._engine.wait_cache()
        self._filling = False
        return read, getattr(self._device, "cycles", 0) - before

    def close(self) -> None:
        """Give the device back."""
        self._device.close()
