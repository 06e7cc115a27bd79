"""Accuracy predictors in the files that PyTorch writes (.pth), read without running anything in them."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from nigiri.search.errors import PredictorError
from nigiri.search.predictor import LIMIT

__all__ = ["read_pth"]


def read_pth(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dictionary, on its own or as "state_dict" of a checkpoint.

    Raises
    ------
    PredictorError: there is no such file, it is too large, or it holds anything but tensors.
    """
    try:
        size = path.stat().st_size
    except OSError as e:
        raise PredictorError(f"there is no predictor at {path} ({e.strerror}): check the path") from e
    if size > LIMIT:
        raise PredictorError(f"{path} is larger than {LIMIT} bytes: it is no accuracy predictor")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:                     # whatever a damaged file makes of the reader
        raise PredictorError(f"{path} cannot be read as tensors of PyTorch ({type(e).__name__}): give the file of the "
                             f"predictor as it was published, or a .safetensors file") from e
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(t, torch.Tensor) for t in state.values()):
        raise PredictorError(f"{path} holds no state dictionary: give the file of the predictor as it was published")
    return {str(name): t.detach().numpy() for name, t in state.items()}
