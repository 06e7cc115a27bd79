"""The golden model: what a program means, bit for bit, in NumPy integers."""
from __future__ import annotations

from nigiri.model.device import GoldenDevice
from nigiri.model.machine import Machine
from nigiri.model.memory import Memory

__all__ = ["GoldenDevice", "Machine", "Memory"]
