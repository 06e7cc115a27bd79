"""What can be wrong with tags and SubNets."""
from __future__ import annotations

__all__ = ["ActError", "BadSubNet", "BadTags", "Uncalibrated"]


class ActError(ValueError):
    """Base of the errors of :mod:`nigiri.supernet.act`."""


class BadTags(ActError):
    """The tags do not fit the model."""


class BadSubNet(ActError):
    """A SubNet that is unknown, or that the SuperNet does not contain."""


class Uncalibrated(ActError):
    """A SubNet without batch-norm statistics of its own."""
