"""What the elastic networks refuse."""
from __future__ import annotations

from nigiri.runtime.errors import BadArgument, NigiriError

__all__ = ["BadCheckpoint", "BadImages", "BadStatistics", "DownloadFailed", "UnknownSuperNet"]


class UnknownSuperNet(BadArgument):
    """No SuperNet of that name."""


class BadImages(BadArgument):
    """Images of a shape that the networks do not take."""


class BadStatistics(BadArgument):
    """Batch-norm statistics that do not belong to the SubNet they are used with."""


class BadCheckpoint(BadArgument):
    """A file that is not a checkpoint of the SuperNet it is loaded into."""


class DownloadFailed(NigiriError):
    """A checkpoint did not arrive from its URL."""
