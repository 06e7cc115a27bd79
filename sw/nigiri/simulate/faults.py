"""Devices that go away and come back."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.sched.errors import SchedulerError

__all__ = ["Fault", "kill_every"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Device `device` goes away at `at_s`, with what it works on, and comes back at `back_s` (never by default)."""

    device: int
    at_s: float
    back_s: float = float("inf")

    def __post_init__(self) -> None:
        if self.device < 0 or self.at_s < 0 or self.back_s <= self.at_s:
            raise SchedulerError(f"a fault needs a device and a time from 0 on and an end behind it, not device "
                                 f"{self.device} from {self.at_s} to {self.back_s} s")


def kill_every(seconds: float, devices: int, duration_s: float, keep: int = 1) -> list[Fault]:
    """One device more goes away every `seconds`, until `keep` are left or the time is over.

    Source: SuperServe (NSDI 2025), fault tolerance: one of eight workers every 12 s of 60.
    """
    if seconds <= 0 or not 0 <= keep <= devices:
        raise SchedulerError(f"devices must be killed after a positive time, and between 0 and {devices} kept, not "
                             f"{seconds} s and {keep}")
    count = min(devices - keep, int(duration_s / seconds - 1e-9))
    return [Fault(device=devices - 1 - n, at_s=seconds * (n + 1)) for n in range(max(0, count))]
