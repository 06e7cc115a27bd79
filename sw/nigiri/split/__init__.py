"""Split inference: a SubNet cut at a layer boundary, its two parts on different machines."""
from nigiri.split.boundary import Boundary, boundaries, crossing
from nigiri.split.choose import Chooser, Costs
from nigiri.split.conditions import Conditions, LinkState
from nigiri.split.engine import PartEngine
from nigiri.split.part import Parts, compile_parts, part_of

__all__ = ["Boundary", "Chooser", "Conditions", "Costs", "LinkState", "PartEngine", "Parts", "boundaries",
           "compile_parts", "crossing", "part_of"]
