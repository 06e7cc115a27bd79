"""Executes the scheduler's decisions on a device."""
from __future__ import annotations

from nigiri.counts import dram_bytes
from nigiri.demo.check import GoldenCheck
from nigiri.demo.setup import Setup
from nigiri.sched.query import Query
from nigiri.sched.server import Execution
from nigiri.sched.table import LatencyTable

__all__ = ["DeviceServer"]


class DeviceServer:
    """One device with its own memory; cache changes run in the background of the next query.

    Cycles of a query are those its program counted, contention with a running fill included.  When the fill outlasts
    the query, the rest is added to it as well: the most that a cache change can cost.  Bytes of a fill are booked on
    the query that it ran beside, as kind "fill".
    """

    def __init__(self, setup: Setup, table: LatencyTable, check: GoldenCheck) -> None:
        self._setup, self._table, self._check = setup, table, check
        self._device = setup.open()
        self._engine = setup.engine_on(self._device)
        self._column, self._filling = 0, False
        self.cycles = 0

    def load(self, column: int) -> tuple[int, int]:
        """Start to load the SubGraph of a column."""
        change = self._engine.cache(self._table.subgraphs[column].boxes, wait=False)
        self._column, self._filling = column, change.entries > 0
        return 0, 0

    def infer(self, row: int, query: Query) -> Execution:
        """Run one inference and compare it with the golden model; raises GoldenMismatch, DeviceError."""
        subnet = self._table.subnets[row]
        got = self._engine.infer(subnet.name, self._setup.images[query.image])
        fill, rest = self._finish_fill()
        self._check(subnet.name, query.image, got.logits)
        c = got.counters
        cycles = self._setup.cycles(c.cycles, subnet, self._table.subgraphs[self._column])
        self.cycles += cycles
        kinds = {k: v for k, v in dram_bytes(c, fill).items() if k != "total"}
        return Execution(cycles=cycles + rest, dram_bytes=kinds, pb_bytes=c.bytes_weights_pb, label=got.label)

    def _finish_fill(self) -> tuple[int, int]:
        """(bytes read, cycles waited for) of the fill that ran beside the last query."""
        if not self._filling:
            return 0, 0
        before = getattr(self._device, "cycles", 0)
        read = self._engine.wait_cache()
        self._filling = False
        return read, getattr(self._device, "cycles", 0) - before

    def close(self) -> None:
        """Give the device back."""
        self._device.close()
