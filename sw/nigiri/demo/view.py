"""The live view, on stderr: a table that redraws itself on a terminal, plain lines elsewhere."""
from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nigiri.sched.serve import Served
from nigiri.sched.table import LatencyTable

__all__ = ["TITLES", "View"]

TITLES = {"sushi": "SUSHI", "fixed": "fixed cache", "none": "no cache"}

HEADS = ("SubNet", "cached SubGraph", "latency", "mean", "PB hits", "top-1")
"""What :meth:`View._cells` shows of a policy."""
PLAIN_SECONDS = 10.0
"""Between two plain lines of the same policy."""


@dataclass
class _Lane:
    """What is known about one policy while it serves."""

    done: int = 0
    right: int = 0
    milliseconds: float = 0.0
    hit: int = 0
    missed: int = 0
    changes: int = 0
    last: Served | None = None
    printed: float = 0.0


class View:
    """Shows the phases of a demonstration and, while queries are served, one line per policy.  Thread-safe."""

    def __init__(self, names: list[str], total: int, labels: list[int], stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._live: Live | None = None
        self._lanes = {name: _Lane() for name in names}
        self._total, self._labels, self._lock = total, labels, threading.Lock()
        self._table: LatencyTable | None = None
        self._progress = (0, 0)
        self._printed = 0.0

    def __enter__(self) -> View:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, soft_wrap=True, markup=False)

    def measuring(self, done: int, total: int) -> None:
        """Progress of the latency table."""
        with self._lock:
            self._progress = (done, total)
            now = time.monotonic()
            if not self._live and (done == total or now - self._printed > PLAIN_SECONDS):
                self._printed = now
                self.note(f"latency table: {done} of {total} measured")

    def serving(self, table: LatencyTable) -> None:
        """The latency table is complete; queries follow."""
        self._table, self._progress = table, (0, 0)
        if not self._live:
            self.note(" | ".join([f"{'policy':11} {'queries':>{5 + len(str(self._total))}}", *HEADS]))

    def served(self, policy: str, s: Served) -> None:
        """One query more of a policy."""
        with self._lock:
            lane = self._lanes[policy]
            lane.done += 1
            lane.right += s.execution.labels[:1] == (self._labels[s.query.image],)
            lane.milliseconds += s.service_ms
            lane.hit += s.execution.pb_bytes
            lane.missed += s.execution.dram_bytes.get("weights", 0)
            lane.changes += lane.last is not None and lane.last.cached != s.cached
            lane.last = s
            now = time.monotonic()
            if not self._live and (lane.done == self._total or now - lane.printed > PLAIN_SECONDS):
                lane.printed = now
                head = f"{TITLES.get(policy, policy):11} {lane.done:4}/{self._total}"
                self.note(" | ".join([head, *self._cells(lane)]))

    def _cells(self, lane: _Lane) -> list[str]:
        s, table = lane.last, self._table
        if s is None or table is None:
            return [""] * len(HEADS)
        cached = table.subgraphs[s.cached]
        return [table.subnets[s.subnet].name, f"{cached.name}, {cached.bytes // 1024} KiB" if cached.boxes else "empty",
                f"{s.service_ms:.3f} ms", f"{lane.milliseconds / lane.done:.3f} ms",
                f"{100 * lane.hit / max(1, lane.hit + lane.missed):.1f} %", f"{100 * lane.right / lane.done:.1f} %"]

    def _render(self) -> Table | Text:
        with self._lock:
            done, total = self._progress
            if total:
                return Text(f"latency table: {done} of {total} measured")
            if self._table is None:
                return Text("preparing")
            out = Table(title=f"{self._total} queries, every inference on the device and equal to the golden model")
            for head in ("policy", "progress", "", *HEADS):
                out.add_column(head, no_wrap=True)
            for name, lane in self._lanes.items():
                out.add_row(TITLES.get(name, name), ProgressBar(total=self._total, completed=lane.done, width=20),
                            f"{lane.done}/{self._total}", *self._cells(lane))
            return out
