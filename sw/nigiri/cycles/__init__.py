"""The cycle model: what a program costs in cycles and bytes, without running it."""
from nigiri.cycles.program import predict
from nigiri.cycles.result import CAUSES, KINDS, LayerCycles, Prediction, Span

__all__ = ["CAUSES", "KINDS", "LayerCycles", "Prediction", "Span", "predict"]
