"""A PYNQ board, real or simulated, behind the device interface."""
from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nigiri.runtime import pynq_ip
from nigiri.runtime.device import PAGE
from nigiri.runtime.errors import (
    BadAddress,
    BadArgument,
    DeviceError,
    DeviceTimeout,
    OutOfMemory,
    WrongConfiguration,
    WrongProduct,
)
from nigiri.runtime.interrupts import loop_thread
from nigiri.spec import registers
from nigiri.spec.config import CONFIGS, AcceleratorConfig
from nigiri.spec.registers import PRODUCT_ID, SPAN, Control, Interrupt, Status, address

__all__ = ["BoardDevice"]

LOOK_S = 0.2
"""Longest wait for an interrupt before STATUS is read again: one that gets lost costs no more than this."""
POLL_S = (20e-6, 2e-3)
"""Shortest and longest pause between two reads of STATUS where there is no interrupt; each is twice the one before."""
EVENTS = Interrupt.DONE | Interrupt.ERROR | Interrupt.FILL


class BoardDevice:
    """The accelerator of a loaded overlay.

    Buffers are pynq buffers: what the host writes is flushed, what it reads is invalidated before, each time.  Safe to
    use from several threads.

    Parameters
    ----------
    core: the IP, bound to :class:`~nigiri.runtime.pynq_ip.NigiriIP`.
    overlay: the overlay that it belongs to, to notice when another one replaces it.
    config: the configuration to expect; found by the hardware's digest when left out.
    clock_mhz: clock to set; what the hardware was built for when left out, and never more than that.
    interrupts: whether to use the interrupt, if there is one; STATUS is polled otherwise.
    on_close: called once, last, by :meth:`close`.

    Attributes
    ----------
    woken, polled: waits that an interrupt ended, and waits that reading STATUS ended.

    Raises
    ------
    WrongProduct, WrongConfiguration: it is not our accelerator, or no configuration known here.
    """

    name = "pynq"

    def __init__(self, core: pynq_ip.NigiriIP, overlay: Any, *, config: AcceleratorConfig | None = None,
                 clock_mhz: float | None = None, interrupts: bool = True,
                 on_close: Callable[[], None] | None = None) -> None:
        self._core, self._overlay, self._on_close = core, overlay, on_close
        self._buffers: dict[int, Any] = {}
        self._lock = threading.RLock()
        self._closed = False
        self.woken = self.polled = 0
        self._interrupt = core.interrupt if interrupts else None
        self.config = config or self._identify()
        self.built_mhz = self.read_register(address("CLOCK_KHZ")) / 1000 or self.config.clock_mhz
        self.clock_mhz = self.set_clock(clock_mhz or self.built_mhz)
        if self._interrupt is not None:
            self.write_register(address("IRQ_STATUS"), EVENTS)
            self.write_register(address("IRQ_ENABLE"), EVENTS)

    def _identify(self) -> AcceleratorConfig:
        product = self.read_register(address("PRODUCT_ID"))
        if product != PRODUCT_ID:
            raise WrongProduct(f"the overlay's IP has product ID {product:#010x}, not {PRODUCT_ID:#010x}: load the "
                               "Nigiri bitstream of this board")
        digest = self.read_register(address("CONFIG_DIGEST"))
        for known in CONFIGS.values():
            if known.digest() == digest:
                return known
        raise WrongConfiguration(f"the bitstream holds a configuration with digest {digest:#010x}, which this software "
                                 f"does not know ({', '.join(CONFIGS)}): load a bitstream of this release, or give its "
                                 "configuration to connect()")

    @property
    def interrupts(self) -> bool:
        """Whether waits use the interrupt."""
        return self._interrupt is not None

    # memory

    def alloc(self, nbytes: int) -> int:
        """See :class:`nigiri.runtime.device.Device`."""
        if nbytes < 1:
            raise BadArgument(f"a buffer must have at least 1 byte, not {nbytes}")
        self._live()
        try:
            buffer = pynq_ip.allocate(self._core.device, -(-nbytes // PAGE) * PAGE)
        except DeviceError as error:
            raise OutOfMemory(str(error)) from error
        where = int(buffer.device_address)
        if where % PAGE:
            buffer.freebuffer()
            raise OutOfMemory(f"PYNQ allocated a buffer at {where:#x}, which is not a multiple of {PAGE}: report this")
        buffer[:] = 0
        buffer.flush()
        with self._lock:
            self._buffers[where] = buffer
        return where

    def free(self, address: int) -> None:
        """See :class:`nigiri.runtime.device.Device`."""
        with self._lock:
            buffer = self._buffers.pop(address, None)
        if buffer is None:
            raise BadAddress(f"there is no buffer at {address:#x}: free only what alloc returned, once")
        buffer.freebuffer()

    def _part(self, address: int, nbytes: int) -> Any:
        self._live()
        for first, buffer in self._buffers.items():
            if first <= address and address + nbytes <= first + buffer.nbytes and nbytes >= 0:
                return buffer[address - first:address - first + nbytes]
        raise BadAddress(f"{nbytes} bytes at {address:#x} are not inside an allocated buffer: alloc it first")

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        """See :class:`nigiri.runtime.device.Device`."""
        raw = np.frombuffer(np.ascontiguousarray(data).tobytes() if isinstance(data, np.ndarray) else data, np.uint8)
        if raw.size:
            with self._lock:
                part = self._part(address, raw.size)
                part[:] = raw
                part.flush()

    def read(self, address: int, nbytes: int) -> np.ndarray:
        """See :class:`nigiri.runtime.device.Device`; a plain array, as a copy of a pynq buffer has no valid address."""
        with self._lock:
            part = self._part(address, nbytes)
            if nbytes:
                part.invalidate()
            return np.array(part, copy=True, subok=False)

    # registers

    def read_register(self, address: int) -> int:
        """See :class:`nigiri.runtime.device.Device`."""
        self._check(address)
        return self._core.read(address)

    def write_register(self, address: int, value: int) -> None:
        """See :class:`nigiri.runtime.device.Device`; DeviceError when another overlay has been loaded meanwhile."""
        self._check(address)
        if address == registers.address("CONTROL") and value & (Control.START | Control.FILL):
            self._still_loaded()
        self._core.write(address, value)

    @staticmethod
    def _check(address: int) -> None:
        if not 0 <= address < SPAN or address % 4:
            raise BadAddress(f"register address {address:#x} must be a multiple of 4 below {SPAN:#x}")

    def _live(self) -> None:
        if self._closed:
            raise DeviceError("the board is closed: connect again")

    def _still_loaded(self) -> None:
        self._live()
        if not self._overlay.is_loaded():
            raise DeviceError("another overlay has been loaded since this one: connect again")

    # clock

    def set_clock(self, mhz: float) -> float:
        """Set the accelerator's clock to the highest frequency that the board gives up to `mhz`; returns that.

        Raises BadArgument for more than the hardware was built for.
        """
        if not 0 < mhz <= self.built_mhz * 1.001:
            raise BadArgument(f"the clock must be positive and at most the {self.built_mhz:g} MHz that the bitstream "
                              f"was built for, not {mhz:g}")
        self.clock_mhz = pynq_ip.set_clock_mhz(mhz)
        return self.clock_mhz

    # waiting

    def wait(self, mask: int, timeout_s: float) -> None:
        """See :class:`nigiri.runtime.device.Device`.  Awaits the interrupt where there is one, and polls otherwise."""
        self._live()
        end = time.monotonic() + timeout_s
        if self._interrupt is not None and not mask & ~(Status.BUSY | Status.FILL_BUSY):
            ready = loop_thread().run(self._await(self._interrupt, mask, end))
        else:
            ready = self._poll(mask, end)
        if not ready:
            status = self._status()
            raise DeviceTimeout(f"device 'pynq' is not ready after {timeout_s:g} s, STATUS is {status:#x}: reset it, "
                                "or allow more time (timeout_s)")

    def _status(self) -> int:
        return self.read_register(address("STATUS"))

    def _poll(self, mask: int, end: float) -> bool:
        pause = POLL_S[0]
        while self._status() & mask:
            if time.monotonic() >= end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, POLL_S[1])
        self.polled += 1
        return True

    async def _await(self, interrupt: Any, mask: int, end: float) -> bool:
        woken = False
        while self._status() & mask:
            left = end - time.monotonic()
            if left <= 0:
                return False
            woken = await _comes(interrupt, min(left, LOOK_S)) or woken
            # A wake-up may be late, early or another's: STATUS decides.  Cleared here, the pin can rise again.
            self.write_register(address("IRQ_STATUS"), self.read_register(address("IRQ_STATUS")))
        self.woken += woken
        self.polled += not woken
        return True

    # life cycle

    def close(self) -> None:
        """See :class:`nigiri.runtime.device.Device`; the overlay stays loaded, buffers are given back."""
        if self._closed:
            return
        with self._lock:
            if self._interrupt is not None and self._overlay.is_loaded():
                self.write_register(address("IRQ_ENABLE"), 0)
            for buffer in self._buffers.values():
                buffer.freebuffer()
            self._buffers.clear()
            self._closed = True
        if self._on_close:
            self._on_close()

    def __enter__(self) -> BoardDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _comes(interrupt: Any, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(interrupt.wait(), timeout_s)
    except asyncio.TimeoutError:
        return False
    return True
