"""Configurations as the published accuracy predictors read them: one-hot vectors.

Source: Once-for-All (Cai et al., ICLR 2020), accuracy predictors of its tutorial (MobileNetV3) and of its ResNet50
example.  An image side between two of those that a predictor knows is split between them by distance; one beyond the
last counts as the last.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nigiri.zoo.plan import Choice
from nigiri.zoo.resnet import EXPANDS, MOST

__all__ = ["MOBILENET", "MOBILENET_SIDES", "RESNET", "RESNET_SIDES", "mobilenet", "resnet"]

MOBILENET_SIDES = tuple(range(112, 225, 16))
RESNET_SIDES = (128, 144, 160, 176, 192, 224, 240, 256)
KERNELS, EXPANSIONS = (3, 5, 7), (3, 4, 6)
MOBILENET, RESNET = 128, 82
"""Numbers of features."""


def _side(side: float, known: Sequence[int]) -> np.ndarray:
    """float64 [len(known)] that sums to 1."""
    return np.array([np.interp(side, known, row) for row in np.eye(len(known))])


def _onehot(values: Sequence[float], known: Sequence[float]) -> np.ndarray:
    """float64 [len(values) * len(known)]; zeros where a value is 0."""
    return np.array([[float(v == k) for k in known] for v in values]).ravel()


def mobilenet(choice: Choice) -> np.ndarray:
    """float64 [128]: kernels of 20 blocks, expansions of 20 blocks, image side; nothing for unused blocks."""
    used = [b < d for d in choice.depth for b in range(4)]
    kernel = [k if u else 0 for k, u in zip(choice.kernel, used, strict=True)]
    expand = [e if u else 0 for e, u in zip(choice.expand, used, strict=True)]
    return np.concatenate([_onehot(kernel, KERNELS), _onehot(expand, EXPANSIONS), _side(choice.side, MOBILENET_SIDES)])


def resnet(choice: Choice) -> np.ndarray:
    """float64 [82]: image side, residual layer of the stem without and with, six widths, expansions of 18 blocks."""
    used = [b < most - 2 + d for most, d in zip(MOST, choice.depth[1:], strict=True) for b in range(most)]
    expand = [e if u else 0 for e, u in zip(choice.expand, used, strict=True)]
    width = [w + 1 for w in choice.width]                 # 0 would mean nothing
    return np.concatenate([_side(choice.side, RESNET_SIDES), [float(not choice.depth[0]), float(bool(choice.depth[0]))],
                           _onehot(width, (1, 2, 3)), _onehot(expand, EXPANDS)])
