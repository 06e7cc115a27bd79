"""What a cascade refuses."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["CascadeError", "PlannerError"]


class CascadeError(NigiriError):
    """Logits, thresholds or settings that do not belong together; the message names them."""


class PlannerError(NigiriError):
    """No placement of the models on the devices, or inputs that make no sense."""
