"""Exceptions of the simulator."""
from __future__ import annotations

from nigiri.runtime.errors import DeviceError, NigiriError

__all__ = ["BuildError", "ProtocolError", "SimulationError", "ToolMissing"]


class ToolMissing(NigiriError):
    """A program or package that the simulator needs is missing; the message holds the command that installs it."""


class BuildError(NigiriError):
    """Verilator or the C++ compiler refused the model; the message ends with what they printed."""


class SimulationError(DeviceError):
    """The model stopped by itself: $stop, $fatal, or combinational logic that does not settle."""


class ProtocolError(DeviceError):
    """The accelerator broke a rule of AXI, or one of its own rules for bursts; the simulation cannot go on."""
