"""What the search refuses."""
from __future__ import annotations

from nigiri.runtime.errors import BadArgument

__all__ = ["PredictorError", "SearchError"]


class PredictorError(BadArgument):
    """A file that is no accuracy predictor, or one of another SuperNet."""


class SearchError(BadArgument):
    """Settings with which nothing can be searched, or a store of something else."""
