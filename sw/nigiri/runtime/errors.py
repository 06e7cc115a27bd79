"""Exceptions of the project: everything derives from NigiriError, everything a device does wrong from DeviceError."""
from __future__ import annotations

from nigiri.spec.errors import ErrorCode

__all__ = [
    "BadAddress", "BadArgument", "DescriptorError", "DeviceBusy", "DeviceError", "DeviceTimeout", "FillError",
    "MemoryReadError", "MemoryWriteError", "NeedsReset", "NigiriError", "NotAttached", "OutOfMemory",
    "ProgramError", "ProgramTimeout", "WindowError", "WrongConfiguration", "WrongProduct", "WrongVersion",
    "fill_error", "program_error",
]


class NigiriError(Exception):
    """Base of every exception that this project raises on purpose."""


class BadArgument(NigiriError, ValueError):
    """A value passed by the caller breaks a rule; the message says which and what is allowed."""


class DeviceError(NigiriError):
    """A device is wrong, refuses, or fails."""


class WrongProduct(DeviceError):
    """Register 0 does not carry the product ID."""


class WrongVersion(DeviceError):
    """Register 1 carries an interface version that this software does not speak."""


class WrongConfiguration(DeviceError):
    """Register 2 carries the digest of another configuration than the one the software was set up for."""


class OutOfMemory(DeviceError):
    """A buffer does not fit the device's memory."""


class BadAddress(DeviceError):
    """A host access outside the device's memory, the attached window or the register map."""


class NotAttached(DeviceError):
    """The driver has no window yet."""


class DeviceBusy(DeviceError):
    """A program or fill is running already."""


class NeedsReset(DeviceError):
    """A program failed and the device has not been reset since."""


class DeviceTimeout(DeviceError):
    """The device did not become ready in the time the host gave it."""


class ProgramError(DeviceError):
    """A program stopped at descriptor `index` with error `code`."""

    def __init__(self, message: str, code: int, index: int):
        super().__init__(message)
        self.code = ErrorCode(code) if code in list(ErrorCode) else code
        self.index = index


class DescriptorError(ProgramError):
    """A descriptor breaks a rule of the instruction set."""


class WindowError(ProgramError):
    """A descriptor reaches outside the DMA window."""


class MemoryReadError(ProgramError):
    """The memory answered a read with an error response."""


class MemoryWriteError(ProgramError):
    """The memory answered a write with an error response."""


class ProgramTimeout(ProgramError):
    """The device's own watchdog: nothing moved for TIMEOUT cycles."""


class FillError(DeviceError):
    """A fill stopped at entry `index` with error `code`; entries before it took effect."""

    def __init__(self, message: str, code: int, index: int):
        super().__init__(message)
        self.code = ErrorCode(code) if code in list(ErrorCode) else code
        self.index = index


_PROGRAM: dict[ErrorCode, tuple[type[ProgramError], str]] = {
    ErrorCode.DESCRIPTOR: (DescriptorError, "breaks a rule of the instruction set: compile the program again"),
    ErrorCode.WINDOW: (WindowError, "reaches outside the DMA window: attach a larger window or correct its offsets"),
    ErrorCode.AXI_READ: (MemoryReadError, "read memory that answered with an error: check the window's address"),
    ErrorCode.AXI_WRITE: (MemoryWriteError, "wrote memory that answered with an error: check the window's address"),
    ErrorCode.TIMEOUT: (ProgramTimeout, "made no progress for TIMEOUT cycles: reset the device or raise the limit"),
}

_FILL: dict[ErrorCode, str] = {
    ErrorCode.WINDOW: "reaches outside the DMA window: attach a larger window or correct its offsets",
    ErrorCode.AXI_READ: "read memory that answered with an error: check the window's address",
    ErrorCode.TIMEOUT: "made no progress for TIMEOUT cycles: reset the device or raise the limit",
    ErrorCode.FILL_ENTRY: "is malformed: check its layer, blocks and taps",
    ErrorCode.FILL_RANGE: "reaches beyond the persistent buffer: cache fewer weights or move it down",
    ErrorCode.FILL_OVERLAP: "overlaps another resident layer: make that layer non-resident first",
}


def _name(code: int) -> str:
    return ErrorCode(code).name if code in list(ErrorCode) else "unknown"


def program_error(code: int, index: int, detail: str | None = None) -> ProgramError:
    """The exception for ERROR_CODE and ERROR_INDEX; `detail` replaces the general explanation."""
    kind, text = next((v for c, v in _PROGRAM.items() if c == code),
                      (ProgramError, "stopped for an unexpected reason: reset the device"))
    return kind(f"descriptor {index} {detail or text} (error {code}, {_name(code)})", code, index)


def fill_error(code: int, index: int) -> FillError:
    """The exception for FILL_ERROR and FILL_INDEX."""
    text = next((v for c, v in _FILL.items() if c == code), "stopped for an unexpected reason: reset the device")
    return FillError(f"fill entry {index} {text} (error {code}, {_name(code)})", code, index)
