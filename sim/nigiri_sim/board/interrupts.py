"""From the accelerator's interrupt pin to whoever awaits it: AXI interrupt controller, line into the PS."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from nigiri.runtime.errors import DeviceError

__all__ = ["AxiIntc", "Event", "InterruptLine", "LineTable", "WrongLoop"]


class WrongLoop(DeviceError):
    """An interrupt is awaited in another event loop than the one it was first used in; on a board it never comes."""


class Event(Protocol):
    def set(self) -> None:
        ...


class AxiIntc:
    """The registers of xilinx.com:ip:axi_intc (PG099) that PYNQ touches; one or more inputs, one output.

    Parameters
    ----------
    output: called with the level of the output whenever it may have changed.
    edge: inputs that are latched when they rise (C_KIND_OF_INTR); the others are latched as long as they are high.
    """

    ISR, IPR, IER, IAR, SIE, CIE, IVR, MER = range(0, 0x20, 4)

    def __init__(self, output: Callable[[bool], None], edge: int = 0xFFFFFFFF) -> None:
        self._status = self._enable = self._master = self._inputs = 0
        self._output, self._edge = output, edge

    def set_input(self, number: int, level: bool) -> None:
        """A new level at an input."""
        before, bit = self._inputs, 1 << number
        self._inputs = before & ~bit | (bit if level else 0)
        self._status |= self._inputs & ~before & self._edge
        self._update()

    def _update(self) -> None:
        self._status |= self._inputs & ~self._edge
        self._output(bool(self._status & self._enable and self._master & 1))

    def read(self, offset: int) -> int:
        return {self.ISR: self._status, self.IPR: self._status & self._enable, self.IER: self._enable,
                self.MER: self._master}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self.IER:
            self._enable = value
        elif offset == self.IAR:
            self._status &= ~value
        elif offset == self.SIE:
            self._enable |= value
        elif offset == self.CIE:
            self._enable &= ~value
        elif offset == self.MER:
            self._master = value
        self._update()


class InterruptLine:
    """A line into the PS, in place of pynq's UioController: a one-shot interrupt that each wait arms again.

    As there, it belongs to the event loop that is current when it is first used.  Where a board would wait for ever in
    another loop, this raises WrongLoop.  While somebody waits, `pump` lets simulated time pass, as long as it says that
    time alone may bring the interrupt; after that :meth:`wake` has to be called when something has changed.
    """

    def __init__(self, pump: Callable[[], bool]) -> None:
        self._lock = threading.Lock()
        self._level = self._turning = False
        self._wakes = 0
        self._events: list[Event] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump = pump

    def bind(self) -> InterruptLine:
        """Fix the event loop, if it is not yet; pynq does so when it opens the device file."""
        if self._loop is None:
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                self._loop = asyncio.get_event_loop_policy().get_event_loop()
        return self

    def add_event(self, event: Event, number: int) -> None:
        """Call event.set() when the line is high; pynq's interface."""
        loop = self.bind()._loop
        if asyncio.get_running_loop() is not loop:
            raise WrongLoop("this interrupt belongs to another event loop, on a board this wait would never end: use "
                            "one loop, or Engine.infer and infer_async, which work with any")
        with self._lock:
            self._events.append(event)
        self._fire()
        self.wake()

    def wake(self) -> None:
        """Let time pass again, if somebody waits; from any thread."""
        with self._lock:
            self._wakes += 1
            if self._turning or not self._events or not self._loop or self._loop.is_closed():
                return
            self._turning = True
        self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        wakes, more = self._wakes, bool(self._events) and self._pump()
        with self._lock:
            # A wait that was given up stays in the list, as it does under pynq: it must not keep the processor busy.
            self._turning = bool(self._events) and (more or wakes != self._wakes)
        if self._turning and self._loop:
            self._loop.call_soon(self._turn)

    def set_level(self, level: bool) -> None:
        """Called by the simulation, from any thread."""
        with self._lock:
            self._level = level
        self._fire()

    def _fire(self) -> None:
        with self._lock:
            if not (self._level and self._events and self._loop):
                return
            waiting, self._events = self._events, []
        for event in waiting:
            self._loop.call_soon_threadsafe(event.set)


class LineTable(dict[int, InterruptLine]):
    """pynq's table of opened interrupt devices; a line is bound when it is looked up."""

    def __getitem__(self, raw_irq: int) -> InterruptLine:
        return super().__getitem__(raw_irq).bind()
