"""The golden model behind the device interface: the register file, executed at once when CONTROL is written."""
from __future__ import annotations

import numpy as np

from nigiri.model.dma import Window
from nigiri.model.machine import Machine, ProgramFault
from nigiri.model.memory import Memory
from nigiri.model.residency import FillFault
from nigiri.runtime.errors import BadAddress, DeviceTimeout
from nigiri.spec.config import VERSION, AcceleratorConfig
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import COUNTERS, PRODUCT_ID, REGISTERS, SPAN, Control, Interrupt, Status, address

__all__ = ["GoldenDevice"]

_NAMES = {r.address: r.name for r in REGISTERS}
_WRITABLE = {r.name: 0xFFFFFFFF for r in REGISTERS if r.access == "rw"}
_WRITABLE |= {"WINDOW_BASE_LO": 0xFFFFF000, "IRQ_ENABLE": 7}
_COUNTER_AT = {address(name) + 4 * half: (name, 32 * half) for name, _ in COUNTERS for half in (0, 1)}


class GoldenDevice:
    """A device without time: a program is finished when the write to CONTROL returns, cycle counters stay 0.

    Parameters
    ----------
    config: what the machine is built as.
    memory_bytes, memory_base: size and address of its memory, multiples of 4096.
    """

    name = "golden"

    def __init__(self, config: AcceleratorConfig, memory_bytes: int = 64 << 20, memory_base: int = 0x1000_0000):
        self.config = config
        self.memory = Memory(memory_bytes, memory_base)
        self.machine = Machine(config)
        self._fixed = {"PRODUCT_ID": PRODUCT_ID, "VERSION": VERSION[0] << 16 | VERSION[1] << 8 | VERSION[2],
                       "CONFIG_DIGEST": config.digest(), "CLOCK_KHZ": config.clock_khz}
        self._registers = dict.fromkeys(_NAMES.values(), 0)
        self._fill_bytes = 0

    # memory

    def alloc(self, nbytes: int) -> int:
        """See :class:`nigiri.runtime.device.Device`."""
        return self.memory.alloc(nbytes)

    def free(self, address: int) -> None:
        """See :class:`nigiri.runtime.device.Device`."""
        self.memory.free(address)

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        """See :class:`nigiri.runtime.device.Device`."""
        raw = np.frombuffer(np.ascontiguousarray(data).tobytes() if isinstance(data, np.ndarray) else data, np.uint8)
        self.memory.host(address, raw.size)[:] = raw

    def read(self, address: int, nbytes: int) -> np.ndarray:
        """See :class:`nigiri.runtime.device.Device`."""
        return self.memory.host(address, nbytes).copy()

    # registers

    @property
    def interrupt(self) -> bool:
        """Level of the interrupt line."""
        return bool(self._registers["IRQ_STATUS"] & self._registers["IRQ_ENABLE"])

    def read_register(self, address: int) -> int:
        """See :class:`nigiri.runtime.device.Device`; addresses without a register read as 0."""
        self._check(address)
        if address in _COUNTER_AT:
            name, shift = _COUNTER_AT[address]
            value = self._fill_bytes if name == "BYTES_FILL" else self.machine.counters[name]
            return value >> shift & 0xFFFFFFFF
        name = _NAMES.get(address, "")
        return self._fixed.get(name, self._registers.get(name, 0))

    def write_register(self, address: int, value: int) -> None:
        """See :class:`nigiri.runtime.device.Device`; writes to read-only registers are ignored."""
        self._check(address)
        name = _NAMES.get(address, "")
        if name == "CONTROL":
            self._control(value)
        elif name == "IRQ_STATUS":
            self._registers[name] &= ~value
        elif name in _WRITABLE:
            self._registers[name] = value & _WRITABLE[name]

    @staticmethod
    def _check(address: int) -> None:
        if not 0 <= address < SPAN or address % 4:
            raise BadAddress(f"register address {address:#x} must be a multiple of 4 below {SPAN:#x}")

    def wait(self, mask: int, timeout_s: float) -> None:
        """See :class:`nigiri.runtime.device.Device`; nothing changes with time here, so it never waits."""
        if self._registers["STATUS"] & mask:
            raise DeviceTimeout(f"device 'golden' hangs, STATUS is {self._registers['STATUS']:#x}: reset it")

    def close(self) -> None:
        """See :class:`nigiri.runtime.device.Device`."""

    # actions

    def _control(self, value: int) -> None:
        if value & Control.RESET:
            self._reset()
            return
        status = self._registers["STATUS"]
        if value & Control.FILL and not status & Status.FILL_BUSY:
            self._fill()
        if value & Control.START and not status & Status.BUSY:
            self._start()

    def _reset(self) -> None:
        self._registers |= dict.fromkeys(
            ("STATUS", "IRQ_STATUS", "ERROR_CODE", "ERROR_INDEX", "FILL_ERROR", "FILL_INDEX"), 0)
        self.machine.residency.clear()
        self.machine.counters.clear()
        self._fill_bytes = 0

    def _window(self) -> Window:
        r = self._registers
        return Window(self.memory, r["WINDOW_BASE_HI"] << 32 | r["WINDOW_BASE_LO"], r["WINDOW_SIZE"])

    def _hangs(self, code: ErrorCode) -> bool:
        return code == ErrorCode.TIMEOUT and self._registers["TIMEOUT"] == 0

    def _start(self) -> None:
        r = self._registers
        r["STATUS"] = r["STATUS"] & ~(Status.DONE | Status.ERROR) | Status.BUSY
        r["ERROR_CODE"] = r["ERROR_INDEX"] = 0
        try:
            self.machine.run(self._window(), r["PROGRAM_OFFSET"], r["PROGRAM_LENGTH"])
        except ProgramFault as fault:
            if self._hangs(fault.code):
                return
            r["ERROR_CODE"], r["ERROR_INDEX"] = int(fault.code), fault.index
        r["STATUS"] = r["STATUS"] & ~Status.BUSY | (Status.ERROR if r["ERROR_CODE"] else Status.DONE)
        r["IRQ_STATUS"] |= Interrupt.ERROR if r["ERROR_CODE"] else Interrupt.DONE

    def _fill(self) -> None:
        r = self._registers
        r["STATUS"] = r["STATUS"] & ~(Status.FILL_DONE | Status.FILL_ERROR) | Status.FILL_BUSY
        r["FILL_ERROR"] = r["FILL_INDEX"] = self._fill_bytes = 0
        try:
            self._fill_bytes = self.machine.residency.fill(self._window(), r["FILL_OFFSET"], r["FILL_COUNT"])
        except FillFault as fault:
            if self._hangs(fault.code):
                return
            r["FILL_ERROR"], r["FILL_INDEX"] = int(fault.code), fault.index
        r["STATUS"] = r["STATUS"] & ~Status.FILL_BUSY | (Status.FILL_ERROR if r["FILL_ERROR"] else Status.FILL_DONE)
        r["IRQ_STATUS"] |= Interrupt.FILL
