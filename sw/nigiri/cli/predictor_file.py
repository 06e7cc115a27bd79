"""Accuracy predictors that the user brings: a file or an address."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from nigiri.cli.extras import need
from nigiri.search.fetch import fetched, is_url
from nigiri.search.predictor import Predictor, from_tensors, read_safetensors

__all__ = ["open_predictor", "read_tensors"]


def read_tensors(source: str) -> dict[str, np.ndarray]:
    """The tensors of a .safetensors file, or of one that PyTorch wrote, or of the file at an address.

    Raises
    ------
    PredictorError: it cannot be had or read.  MissingExtra: it needs PyTorch, which is not installed.
    """
    path = fetched(source) if is_url(source) else Path(source)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    tensors: dict[str, np.ndarray] = need("nigiri.supernet.predictor", "train").read_pth(path)
    return tensors


def open_predictor(source: str) -> Predictor:
    """The predictor in it; raises what :func:`read_tensors` does, and PredictorError when it is none."""
    return from_tensors(read_tensors(source))
