"""The driver: the same code for the golden model, the simulated hardware and a board."""
from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np

from nigiri.runtime.counters import Counters, read_counter, read_counters
from nigiri.runtime.device import PAGE, Device
from nigiri.runtime.errors import (
    BadAddress,
    BadArgument,
    DeviceBusy,
    NeedsReset,
    NotAttached,
    WrongConfiguration,
    WrongProduct,
    WrongVersion,
    fill_error,
    program_error,
)
from nigiri.spec import descriptor, registers, residency
from nigiri.spec.config import CONFIGS, VERSION, AcceleratorConfig
from nigiri.spec.errors import ErrorCode
from nigiri.spec.registers import Control, Status

__all__ = ["WORD", "Counters", "Driver"]

WORD = 64
"""Bytes of a DRAM word, the unit of every offset."""


def _version(number: int) -> str:
    return f"{number >> 16 & 0xFFFF}.{number >> 8 & 0xFF}.{number & 0xFF}"


class Driver:
    """Runs programs and fills on a device whose product, version and configuration it has checked.

    Parameters
    ----------
    device: the device; closing the driver does not close it.
    config: the configuration that the caller's programs were compiled for; the device's own when omitted.
    timeout_cycles: the device stops a program in which nothing moves for so many cycles; 0 never.

    Raises
    ------
    WrongProduct, WrongVersion, WrongConfiguration: the device is not the one that this software drives.
    """

    def __init__(self, device: Device, config: AcceleratorConfig | None = None, timeout_cycles: int = 1_000_000):
        self.device = device
        self.config = config or device.config
        self.timeout_cycles = timeout_cycles
        self.base = 0
        self.window_bytes = 0
        self._check_identity()
        # Hardware clears its tables after power-on, and takes no program before.
        device.wait(Status.RESETTING, 10.0)

    # registers

    def register(self, name: str) -> int:
        """Value of a register by its name in :mod:`nigiri.spec.registers`."""
        return self.device.read_register(registers.address(name))

    def set_register(self, name: str, value: int) -> None:
        """Write a register by its name."""
        self.device.write_register(registers.address(name), value)

    def _check_identity(self) -> None:
        product = self.register("PRODUCT_ID")
        if product != registers.PRODUCT_ID:
            raise WrongProduct(f"device {self.device.name!r} has product ID {product:#010x}, not "
                               f"{registers.PRODUCT_ID:#010x}: load the Nigiri bitstream or check the base address")
        version = self.register("VERSION")
        if (version >> 16, version >> 8 & 0xFF) != VERSION[:2]:
            raise WrongVersion(f"device {self.device.name!r} has interface version {_version(version)}, this software "
                               f"speaks {VERSION[0]}.{VERSION[1]}.x: build the hardware and software from one release")
        digest, mine = self.register("CONFIG_DIGEST"), self.config.digest()
        if digest != mine:
            theirs = next((c.name for c in CONFIGS.values() if c.digest() == digest), "unknown")
            raise WrongConfiguration(f"device {self.device.name!r} is configuration {theirs!r} (digest "
                                     f"{digest:#010x}), the software expects {self.config.name!r} (digest "
                                     f"{mine:#010x}): compile for the device's configuration or load the other "
                                     "bitstream")

    def require(self, version: tuple[int, int, int], what: str) -> None:
        """WrongVersion when the device's interface is older than `version`, from which on it can do `what`."""
        have = self.register("VERSION")
        if (have >> 16, have >> 8 & 0xFF, have & 0xFF) < version:
            raise WrongVersion(f"device {self.device.name!r} has interface version {_version(have)}, {what} need "
                               f"{'.'.join(map(str, version))}: load a newer bitstream")

    # window

    def attach(self, window_bytes: int) -> int:
        """Allocate a DMA window of `window_bytes` (rounded up to pages), free the old one; returns its byte address.

        Raises BadArgument for a size that is not positive, OutOfMemory from the device.
        """
        if window_bytes < 1:
            raise BadArgument(f"the window must have at least 1 byte, not {window_bytes}")
        self.detach()
        size = -(-window_bytes // PAGE) * PAGE
        self.base = self.device.alloc(size)
        self.window_bytes = size
        self.set_register("WINDOW_BASE_LO", self.base & 0xFFFFFFFF)
        self.set_register("WINDOW_BASE_HI", self.base >> 32)
        self.set_register("WINDOW_SIZE", size // WORD)
        self.set_register("TIMEOUT", self.timeout_cycles)
        return self.base

    def detach(self) -> None:
        """Free the window; the device can reach no memory afterwards."""
        if self.window_bytes:
            self.set_register("WINDOW_SIZE", 0)
            self.device.free(self.base)
            self.window_bytes = 0

    def _address(self, offset_words: int, nbytes: int) -> int:
        if not self.window_bytes:
            raise NotAttached("the driver has no window: call attach() first")
        if offset_words < 0 or nbytes < 0 or offset_words * WORD + nbytes > self.window_bytes:
            raise BadAddress(f"{nbytes} bytes at word {offset_words} reach outside the window of "
                             f"{self.window_bytes // WORD} words: attach a larger window")
        return self.base + offset_words * WORD

    def write(self, offset_words: int, data: bytes | np.ndarray) -> None:
        """Copy `data` into the window; raises BadAddress, NotAttached."""
        raw = np.frombuffer(data, np.uint8) if isinstance(data, (bytes, bytearray)) else (
            np.ascontiguousarray(data).reshape(-1).view(np.uint8))
        self.device.write(self._address(offset_words, raw.size), raw)

    def read(self, offset_words: int, nbytes: int) -> np.ndarray:
        """Copy `nbytes` out of the window, as uint8; raises BadAddress, NotAttached."""
        return self.device.read(self._address(offset_words, nbytes), nbytes)

    # programs

    def run(self, program_offset: int, length: int, timeout_s: float = 60.0) -> Counters:
        """Run `length` descriptors at word `program_offset`; returns the counters.

        Raises
        ------
        DescriptorError, WindowError, MemoryReadError, MemoryWriteError, ProgramTimeout: the device stopped the program.
        NeedsReset: the last program failed.  DeviceBusy: a program is running.
        DeviceTimeout: it is not finished after `timeout_s` seconds.
        """
        self._address(0, 0)
        status = self.register("STATUS")
        if status & Status.ERROR:
            raise NeedsReset("the last program failed: reset() the device, which empties the persistent buffer, "
                             "then run the next one")
        if status & (Status.BUSY | Status.RESETTING):
            raise DeviceBusy("a program is still running on the device: wait for it, or reset() the device")
        self.set_register("PROGRAM_OFFSET", program_offset)
        self.set_register("PROGRAM_LENGTH", length)
        self.set_register("CONTROL", Control.START)
        self.device.wait(Status.BUSY, timeout_s)
        self.set_register("IRQ_STATUS", registers.Interrupt.DONE | registers.Interrupt.ERROR)
        if self.register("STATUS") & Status.ERROR:
            code, index = self.register("ERROR_CODE"), self.register("ERROR_INDEX")
            raise program_error(code, index, self._explain(code, program_offset + 2 * index))
        return read_counters(self.device.read_register)

    def _explain(self, code: int, offset: int) -> str | None:
        """Which rule the descriptor at word `offset` breaks, if the host can still see it."""
        if code != ErrorCode.DESCRIPTOR or offset * WORD + descriptor.BYTES > self.window_bytes:
            return None
        raw = self.read(offset, descriptor.BYTES).tobytes()
        rule = descriptor.problem(descriptor.unpack(raw), self.config)
        return f"breaks a rule of the instruction set: {rule}" if rule else None

    # fills

    def start_fill(self, entries: Sequence[dict[str, int] | bytes], offset: int) -> None:
        """Write fill entries at word `offset` of the window and start the fill; programs may run meanwhile.

        Raises BadArgument for an entry that cannot be encoded, DeviceBusy while another fill runs.
        """
        raw = b"".join(self._entry(n, e) for n, e in enumerate(entries))
        if self.register("STATUS") & (Status.FILL_BUSY | Status.RESETTING):
            raise DeviceBusy("a fill is still running on the device: call wait_fill() first")
        self.write(offset, raw)
        self.set_register("FILL_OFFSET", offset)
        self.set_register("FILL_COUNT", len(entries))
        self.set_register("CONTROL", Control.FILL)

    @staticmethod
    def _entry(index: int, entry: dict[str, int] | bytes) -> bytes:
        if isinstance(entry, (bytes, bytearray)):
            if len(entry) != residency.BYTES:
                raise BadArgument(f"fill entry {index} must have {residency.BYTES} bytes, not {len(entry)}")
            return bytes(entry)
        try:
            return residency.pack(**entry)
        except KeyError as e:
            raise BadArgument(f"fill entry {index} has no field called {e.args[0]!r}") from e
        except ValueError as e:
            raise BadArgument(f"fill entry {index}: {e}") from e

    def wait_fill(self, timeout_s: float = 60.0) -> int:
        """Wait for the fill; returns the bytes it read.  Raises FillError, DeviceTimeout."""
        self.device.wait(Status.FILL_BUSY, timeout_s)
        self.set_register("IRQ_STATUS", registers.Interrupt.FILL)
        if self.register("STATUS") & Status.FILL_ERROR:
            raise fill_error(self.register("FILL_ERROR"), self.register("FILL_INDEX"))
        return read_counter(self.device.read_register, "BYTES_FILL")

    def fill(self, entries: Sequence[dict[str, int] | bytes], offset: int, timeout_s: float = 60.0) -> int:
        """:meth:`start_fill` and :meth:`wait_fill`."""
        self.start_fill(entries, offset)
        return self.wait_fill(timeout_s)

    # life cycle

    def reset(self, timeout_s: float = 10.0) -> None:
        """Soft reset: stops everything and empties the residency table; the window and its contents stay."""
        self.set_register("CONTROL", Control.RESET)
        self.device.wait(Status.RESETTING | Status.BUSY | Status.FILL_BUSY, timeout_s)

    def close(self) -> None:
        """Free the window."""
        self.detach()

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
