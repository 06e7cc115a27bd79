"""A backend that hangs, raises, lies or is gone, when told to."""
from __future__ import annotations

import threading
from dataclasses import replace

from nigiri.runtime.errors import DeviceError


class Faulty:
    """Around another backend.  fault: None, "raise", "hang", "lie"; gone: opening it fails too."""

    def __init__(self, make):
        self.make, self.fault, self.gone, self.opened, self.closed = make, None, False, 0, 0
        self.release = threading.Event()

    def __call__(self):
        if self.gone:
            raise DeviceError("no such device")
        self.opened += 1
        return _Opened(self, self.make())


class _Opened:
    def __init__(self, switch, inner):
        self._switch, self._inner = switch, inner
        self.table, self.top_mhz = inner.table, inner.top_mhz

    @property
    def clock_mhz(self):
        return self._inner.clock_mhz

    def load(self, column):
        self._inner.load(column)

    def run(self, row, images, wait):
        fault = self._switch.fault
        if fault == "raise" or self._switch.gone:
            raise DeviceError("the device is broken")
        if fault == "hang":
            self._switch.release.wait()
            raise DeviceError("too late")
        launched = self._inner.run(row, images, wait)
        return replace(launched, logits=launched.logits ^ 1) if fault == "lie" else launched

    def set_clock(self, mhz):
        return self._inner.set_clock(mhz)

    def close(self):
        self._switch.closed += 1
        self._inner.close()
