"""What a change of the cache takes: cycles for each word and for each box, with nothing else running."""
from __future__ import annotations

from nigiri.cycles.reads import read_path
from nigiri.cycles.timing import CHUNK, READY
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting

__all__ = ["fill_cost"]

UNDER_WAY = 2
"""Requests that the fill engine has outstanding at most."""
RUN = 64
"""Requests over which the rate is taken."""
ENTRY = 38
"""Checks of an entry, beside reading it and comparing it with all others."""
SHORT = 1.25
"""Requests that end with a row are short: so much longer is the fill where the latency, not the rate, bounds it."""


def fill_cost(config: AcceleratorConfig, memory: MemorySetting) -> tuple[float, float, float]:
    """(cycles a word of 64 bytes, cycles a box, cycles of the memory for a word of a query).

    The rate is that of a long run; an entry is read, compared with every entry of the residency table, and waits for
    its last word.
    """
    reads = read_path(config, memory)
    ends: list[float] = []
    for n in range(RUN):
        at = ends[n - UNDER_WAY] if n >= UNDER_WAY else 0.0
        pieces: list[tuple[int, float]] = []
        reads.ask(at, CHUNK * n, CHUNK, 0, 1, pieces)
        ends.append(max(ready for _, ready in pieces) - READY + 2)
    word = (ends[-1] - ends[RUN // 2]) / (CHUNK * (RUN - 1 - RUN // 2))
    rate = 64 / min(64.0, memory.bytes_per_cycle(config))
    word = max(rate, SHORT * word) if word > 1.02 * rate else word
    return word, config.layers + 2 * memory.latency + ENTRY, rate
