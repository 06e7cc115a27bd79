"""Where the cycles of a network go: per layer tables, timelines and rooflines."""
from nigiri.profile.layers import LayerRow, rows_of

__all__ = ["LayerRow", "rows_of"]
