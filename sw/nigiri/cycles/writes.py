"""The write side: words of a STORE through the first port."""
from __future__ import annotations

from nigiri.cycles.timing import STORE_QUEUE, STORE_SLOT, STORED
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.memory import MemorySetting

__all__ = ["store_end"]


def store_end(start: float, words: int, config: AcceleratorConfig, memory: MemorySetting) -> float:
    """Cycle in which a STORE that issues its first word in cycle `start` is over.

    A word is one burst.  The port sends one after the other, each as soon as the memory takes its address, and the
    memory has so many under way as it allows; a word has its place in the queue from its slot to its answer.
    """
    beats = 512 // config.port_bits
    rate = min(config.port_bits / 8, memory.peak_gbs * 1e3 / config.clock_mhz) * memory.efficiency
    # What an idle memory can take at once saves the first beat's share and a cycle's.
    idle = max(beats, 64 / rate - config.port_bits / 8 / rate)
    slot, port, taken, served = start, 0.0, 0.0, 0.0
    answers: list[float] = []
    for k in range(words):
        if k > STORE_QUEUE:
            slot = max(slot, answers[k - STORE_QUEUE - 1] + 2)
        port = max(slot + STORE_SLOT, port + beats + 1, taken + 1)
        taken = max(port, answers[k - memory.outstanding] + 1 if k >= memory.outstanding else 0.0)
        served = max(taken + idle, served + 64 / rate)
        answers.append(served + memory.latency)
        slot += 1
    return answers[-1] + STORED
