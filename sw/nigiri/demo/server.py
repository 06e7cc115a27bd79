"""A device of the demonstration under the scheduler: every answer is compared with the golden model."""
from __future__ import annotations

from collections.abc import Sequence

from nigiri.demo.check import GoldenCheck
from nigiri.demo.setup import Setup
from nigiri.runtime.engine import Inference
from nigiri.sched.engine_server import EngineServer
from nigiri.sched.query import Query
from nigiri.sched.server import Execution
from nigiri.sched.table import LatencyTable

__all__ = ["DeviceServer"]


class DeviceServer(EngineServer):
    """One fresh device with its own memory.

    cycles_run: of all launches together.
    """

    def __init__(self, setup: Setup, table: LatencyTable, check: GoldenCheck) -> None:
        self._setup, self._check = setup, check
        self._opened = setup.open()
        super().__init__(setup.engine_on(self._opened), table, setup.images, self._compare)
        self.cycles_run = 0

    def _compare(self, query: Query, answer: Inference) -> None:
        self._check(answer.subnet, query.image, answer.logits)

    def cycles(self, row: int, answer: Inference) -> int:
        """What the device counted; the roofline's estimate on one without time."""
        found = self._setup.cycles(answer.counters.cycles, self._table.subnets[row],
                                   self._table.subgraphs[self._column])
        self.cycles_run += found
        return found

    def infer(self, row: int, queries: Sequence[Query], wait: bool) -> Execution:
        """As the base class; also raises GoldenMismatch."""
        return super().infer(row, queries, wait)

    def close(self) -> None:
        """Give the device back."""
        self._opened.close()
