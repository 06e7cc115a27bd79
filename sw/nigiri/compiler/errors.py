"""What the compiler refuses."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["ActivationBufferError", "BatchError", "CompileError", "DynamicBufferError", "GraphError",
           "ResidencyTableError"]


class CompileError(NigiriError):
    """A network that cannot be compiled for a configuration."""


class GraphError(CompileError):
    """A graph that is not well formed, or uses something the accelerator does not do."""


class ActivationBufferError(CompileError):
    """The tensors that a layer needs at the same time do not fit the activation buffer."""


class BatchError(ActivationBufferError):
    """The tensors of a batch do not fit the activation buffer, however few layers are computed for all its images."""


class DynamicBufferError(CompileError):
    """One output block of a layer does not fit the dynamic buffer."""


class ResidencyTableError(CompileError):
    """The SuperNet has more layers than the residency table has entries."""
