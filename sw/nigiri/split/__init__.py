"""Split inference: a SubNet cut at a layer boundary, its two parts on different machines."""
from nigiri.split.boundary import Boundary, boundaries, crossing

__all__ = ["Boundary", "boundaries", "crossing"]
