"""What the service refuses: each with its HTTP status, its gRPC code, and when it is worth trying again."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["BadRequest", "DeadlineMissed", "DeviceFault", "NotAuthorised", "Overloaded", "ServingError", "TooLarge",
           "Unattainable", "Unavailable", "UnknownModel"]


class ServingError(NigiriError):
    """Base of them.

    retry_after_s: when to try again; None when that would not help.
    """

    http, grpc = 500, "INTERNAL"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BadRequest(ServingError):
    """Not the protocol, or a parameter that makes no sense."""

    http, grpc = 400, "INVALID_ARGUMENT"


class NotAuthorised(ServingError):
    """No token, or a wrong one."""

    http, grpc = 401, "UNAUTHENTICATED"


class UnknownModel(ServingError):
    """No such model, version or SubNet."""

    http, grpc = 404, "NOT_FOUND"


class TooLarge(ServingError):
    """A request of more bytes, or more images, than the server takes."""

    http, grpc = 413, "INVALID_ARGUMENT"


class Unattainable(ServingError):
    """No SubNet meets the targets, however idle the devices are."""

    http, grpc = 422, "FAILED_PRECONDITION"


class Overloaded(ServingError):
    """It would be answered late: refused at once."""

    http, grpc = 429, "RESOURCE_EXHAUSTED"


class Unavailable(ServingError):
    """No device works now, or the server is about to stop."""

    http, grpc = 503, "UNAVAILABLE"


class DeviceFault(Unavailable):
    """The devices that were to answer have failed."""


class DeadlineMissed(ServingError):
    """It was accepted, and could not be answered in time after all."""

    http, grpc = 504, "DEADLINE_EXCEEDED"
