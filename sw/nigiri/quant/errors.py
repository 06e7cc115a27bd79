"""What quantisation refuses."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["QuantisationError"]


class QuantisationError(NigiriError):
    """A network whose numbers cannot be expressed in the accelerator's arithmetic, or an unusable checkpoint."""
