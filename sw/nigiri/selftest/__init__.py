"""Whether a device works: registers, memory, DMA, inference, cache, interrupt, clock and speed, each with a verdict."""
from __future__ import annotations

from nigiri.selftest.run import Report, Result, run_selftest

__all__ = ["Report", "Result", "run_selftest"]
