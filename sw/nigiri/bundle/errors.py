"""Why a bundle is refused."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["BundleChecksumError", "BundleConfigError", "BundleCorruptError", "BundleError", "BundleFormatError",
           "BundleMissingError", "BundleSizeError"]


class BundleError(NigiriError):
    """A bundle that cannot be used."""


class BundleMissingError(BundleError):
    """There is no such file."""


class BundleCorruptError(BundleError):
    """The file is not a bundle, is damaged, or describes no sound network."""


class BundleSizeError(BundleError):
    """A member is larger than any bundle needs."""


class BundleFormatError(BundleError):
    """The bundle was written in another version of the format."""


class BundleChecksumError(BundleError):
    """A member does not have the checksum in the manifest."""


class BundleConfigError(BundleError):
    """The compiled programs are for another configuration."""
