"""Executes the scheduler's decisions on a device."""
from __future__ import annotations

from collections.abc import Sequence

from nigiri.counts import dram_bytes
from nigiri.demo.check import GoldenCheck
from nigiri.demo.setup import Setup
from nigiri.runtime.errors import BadArgument
from nigiri.sched.query import Query
from nigiri.sched.server import Execution
from nigiri.sched.table import LatencyTable

__all__ = ["DeviceServer"]


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
        self._column, self._filling = 0, False
        self.cycles = 0

    def load(self, column: int) -> None:
        """Start to load the SubGraph of a column."""
        change = self._engine.cache(self._table.subgraphs[column].boxes, wait=False)
        self._column, self._filling = column, change.entries > 0

    def infer(self, row: int, queries: Sequence[Query], wait: bool) -> Execution:
        """Run one inference and compare it with the golden model.

        Raises
        ------
        BadArgument: more than one query.  GoldenMismatch, DeviceError: the device failed.
        """
        if len(queries) != 1:
            raise BadArgument(f"the bundle's programs compute one image in a launch, not {len(queries)}: use a policy "
                              f"that serves single queries, or compile for batches")
        subnet, image = self._table.subnets[row], queries[0].image
        fill, before = self._finish_fill() if wait else (0, 0)
        got = self._engine.infer(subnet.name, self._setup.images[image])
        rest = 0
        if not wait:
            fill, rest = self._finish_fill()
        self._check(subnet.name, image, got.logits)
        c = got.counters
        cycles = self._setup.cycles(c.cycles, subnet, self._table.subgraphs[self._column])
        self.cycles += cycles
        kinds = {k: v for k, v in dram_bytes(c, fill).items() if k != "total"}
        return Execution(cycles + rest, kinds, c.bytes_weights_pb, (got.label,), before)

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
