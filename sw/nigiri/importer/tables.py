"""Functions of single values as tables of 256 codes."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nigiri.importer.ir import Tensor

__all__ = ["FUNCTIONS", "hard_swish", "table"]


def hard_swish(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * np.clip(x + 3, 0, 6) / 6)


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LOGISTIC": lambda x: 1 / (1 + np.exp(-x)), "TANH": np.tanh, "RELU": lambda x: np.maximum(x, 0),
    "RELU6": lambda x: np.clip(x, 0, 6), "HARD_SIGMOID": lambda x: np.clip(x / 6 + 0.5, 0, 1), "QUANTIZE": lambda x: x}


def table(function: Callable[[np.ndarray], np.ndarray], before: Tensor, after: Tensor) -> np.ndarray:
    """int8 [256], by the code as a byte: the nearest code of the function's exact value, halves away from zero."""
    codes = np.arange(256).astype(np.uint8).view(np.int8).astype(np.float64)
    real = function((codes - before.zp) * before.scale) / after.scale
    rounded = np.sign(real) * np.floor(np.abs(real) + 0.5)
    return np.clip(rounded + after.zp, -128, 127).astype(np.int8)
