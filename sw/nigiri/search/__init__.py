"""Search for the SubNets of a SuperNet that are worth serving on one configuration: accurate ones for few cycles."""
from nigiri.search.errors import PredictorError, SearchError

__all__ = ["PredictorError", "SearchError"]
