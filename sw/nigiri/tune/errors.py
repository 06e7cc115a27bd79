"""What tuning refuses."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["TuneError"]


class TuneError(NigiriError):
    """A space, a learner or a setting that makes no sense; the message names it and what it must be."""
