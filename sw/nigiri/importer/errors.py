"""What can be wrong with a model that somebody brings."""
from __future__ import annotations

from nigiri.runtime.errors import NigiriError

__all__ = ["BadModel", "ModelImportError", "UnsupportedModel", "UnsupportedOperator"]


class ModelImportError(NigiriError):
    """Base of all errors of :mod:`nigiri.importer`."""


class BadModel(ModelImportError):
    """The file is missing, too large, damaged, or no model at all."""


class UnsupportedModel(ModelImportError):
    """The model is sound, but not quantised or shaped as the accelerator needs it."""


class UnsupportedOperator(UnsupportedModel):
    """An operator that the accelerator does not have, or not with these parameters."""

    def __init__(self, operator: str, place: str, why: str, instead: str):
        """place: where in the graph.  why: what is not supported.  instead: what could be done."""
        super().__init__(f"{operator} at {place} is not supported: {why}; {instead}")
        self.operator, self.place = operator, place
