"""Error codes that the device reports in its ERROR_CODE and FILL_ERROR registers."""
from __future__ import annotations

import enum

__all__ = ["ErrorCode"]


class ErrorCode(enum.IntEnum):
    """Why a program or a fill stopped; 0 means it did not."""

    NONE = 0
    DESCRIPTOR = 1
    """A descriptor breaks a rule of :mod:`nigiri.spec.descriptor`."""
    WINDOW = 2
    """A transfer reaches outside the DMA window; it was not made."""
    AXI_READ = 3
    """The memory answered a read with an error response."""
    AXI_WRITE = 4
    """The memory answered a write with an error response."""
    TIMEOUT = 5
    """Nothing moved for TIMEOUT cycles."""
    FILL_ENTRY = 16
    """A fill entry breaks a rule of :mod:`nigiri.spec.residency`."""
    FILL_RANGE = 17
    """A fill entry reaches beyond the persistent buffer."""
    FILL_OVERLAP = 18
    """A fill entry overlaps another resident one."""
