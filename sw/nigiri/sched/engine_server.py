"""Executes the scheduler's decisions on an engine: a board, the RTL, or the golden model."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from nigiri.counts import dram_bytes
from nigiri.runtime.engine import Engine, Inference
from nigiri.sched.query import Query
from nigiri.sched.server import Execution
from nigiri.sched.table import LatencyTable

__all__ = ["EngineServer"]

SURE = 1.5
"""Times the predicted length of a fill in which it has ended: a simulated clock need not run on longer."""


class EngineServer:
    """One engine; it fills its cache between two queries, or beside one.

    Cycles of a query are those its program counted, contention with a running fill included, or the table's on a device
    that counts none.  When a fill outlasts the query that it ran beside, the rest is added to it as well: the most that
    a cache change can cost.  Bytes of a fill are booked on that query, as kind "fill".

    Parameters
    ----------
    engine: closing the server does not close it.
    table: of the engine's bundle; its rows and columns are what policies decide.
    images: uint8 [n, height, width, channels]; queries name one by its number, modulo n.
    answered: called with every query and its answer.
    """

    def __init__(self, engine: Engine, table: LatencyTable, images: np.ndarray,
                 answered: Callable[[Query, Inference], None] = lambda query, answer: None) -> None:
        self._engine, self._table, self._images, self._answered = engine, table, images, answered
        self._device = engine.driver.device
        self._column, self._filling, self._left = 0, False, 0

    def load(self, column: int) -> None:
        """Start to load the SubGraph of a column."""
        change = self._engine.cache(self._table.subgraphs[column].boxes, wait=False)
        self._left = round(SURE * float(self._table.lookup.fill_cycles[self._column, column]))
        self._column, self._filling = column, change.entries > 0

    def rest(self, cycles: int) -> None:
        """Let a simulated clock run on while a fill needs it; other devices have filled by themselves."""
        step = getattr(self._device, "step", None)
        if step and self._filling and (cycles := min(cycles, self._left)) > 0:
            step(cycles)
            self._left -= cycles

    def cycles(self, row: int, answer: Inference) -> int:
        """Of one launch."""
        return answer.counters.cycles or int(self._table.cycles[row, self._column])

    def infer(self, row: int, queries: Sequence[Query], wait: bool) -> Execution:
        """Run a SubNet for all queries.

        They are one launch if the programs are compiled for as many images; else one launch after the other.

        Raises
        ------
        BadArgument: programs for another number of images.  DeviceError: the device failed.
        """
        name = self._table.subnets[row].name
        images = [self._images[q.image % len(self._images)] for q in queries]
        fill, before = self._finish_fill() if wait else (0, 0)
        if self._engine.compiled.batch == len(queries) > 1:
            got = self._engine.infer_batch(name, images)
            launches = got[:1]
        else:
            got = launches = [self._engine.infer(name, image) for image in images]
        rest = 0
        if not wait:
            fill, rest = self._finish_fill()
        for query, answer in zip(queries, got, strict=True):
            self._answered(query, answer)
        cycles = sum(self.cycles(row, x) for x in launches)
        kinds: Counter[str] = Counter(fill=fill)
        for x in launches:
            kinds.update({k: v for k, v in dram_bytes(x.counters, 0).items() if k not in ("total", "fill")})
        return Execution(cycles + rest, dict(kinds), sum(x.counters.bytes_weights_pb for x in launches),
                         tuple(x.label for x in got), before)

    def _finish_fill(self) -> tuple[int, int]:
        """(bytes read, cycles waited for, where the device tells) of the fill that is under way."""
        if not self._filling:
            return 0, 0
        before = getattr(self._device, "cycles", 0)
        read = self._engine.wait_cache()
        self._filling = False
        return read, getattr(self._device, "cycles", 0) - before
