"""Measured accuracies of SubNets of the trained hybrid SuperNet, as the package ships them."""
from __future__ import annotations

import json
from importlib.resources import files

from nigiri.hybrid.predictor import AccuracyModel, config_of, fit
from nigiri.hybrid.space import HYBRID

__all__ = ["shipped_model"]


def shipped_model() -> AccuracyModel:
    """The accuracy model of :data:`nigiri.hybrid.space.HYBRID`, from float accuracies on held training images."""
    rows = json.loads((files("nigiri") / "data" / "hybrid_subnets.json").read_text())
    return fit(HYBRID, [config_of(r) for r in rows], [r["held"] for r in rows])
