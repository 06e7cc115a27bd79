"""What the network zoo refuses."""
from __future__ import annotations

from nigiri.runtime.errors import BadArgument, NigiriError

__all__ = ["BadConfiguration", "BadImageSide", "DeadNetwork", "UnknownNetwork"]


class UnknownNetwork(BadArgument):
    """No network or SubNet of that name."""


class BadImageSide(BadArgument):
    """An image that the networks' five halvings do not divide."""


class DeadNetwork(NigiriError):
    """A calibrated SubNet with a tensor that carries no information: all zero, saturated or constant."""


class BadConfiguration(NigiriError):
    """A configuration that is no SubNet of the SuperNet, or a file that has none."""
