"""Random predictors of the published shapes."""
from __future__ import annotations

import numpy as np


def random_state(kind, seed=0):
    """A state dictionary as the published files have it: of the MobileNetV3 or the ResNet50 predictor."""
    rng = np.random.default_rng(seed)
    sizes = {"mobilenet": [128, 400, 400, 400, 1], "resnet": [82, 400, 400, 400, 1]}[kind]
    names = {"mobilenet": ["0", "2", "4", "6"], "resnet": ["layers.0.0", "layers.1.0", "layers.2.0", "layers.3"]}[kind]
    out = {"base_acc": np.array([0.8], np.float32)} if kind == "resnet" else {}
    for name, fan_in, fan_out in zip(names, sizes, sizes[1:], strict=False):
        out[f"{name}.weight"] = rng.normal(0, (1 / fan_in) ** 0.5, (fan_out, fan_in)).astype(np.float32)
        if not (kind == "resnet" and name == names[-1]):
            out[f"{name}.bias"] = rng.normal(0, 0.1, fan_out).astype(np.float32)
    return out
