"""The write side: words of a STORE through the first port."""
from __future__ import annotations

from nigiri.cycles.timing import STORE_QUEUE, STORE_SLOT, STORED
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting

__all__ = ["store_end"]


def store_end(start: float, words: int, config: AcceleratorConfig, memory: MemorySetting) -> float:
    """Cycle in which a STORE that issues its first word in cycle `start` is over.

    A word is one burst; so many are under way as the queue and the memory allow.
    """
    beats = 512 // config.port_bits
    rate = min(config.port_bits / 8, memory.peak_gbs * 1e3 / config.clock_mhz) * memory.efficiency
    sending = max(beats + 1, 64 / rate)
    trip = beats + memory.latency
    queued = (trip + STORE_SLOT + STORED) / STORE_QUEUE
    return start + STORE_SLOT + trip + STORED + (words - 1) * max(sending, trip / memory.outstanding, queued)
