"""Accuracy predictors: multilayer perceptrons over one-hot configurations, with NumPy alone.

Once-for-All's predictors say what a SubNet of the SuperNet, without fine-tuning, reaches on images held out from the
training set.  Their files have no licence and are not part of Nigiri: the user brings them.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from nigiri.bundle import safetensors
from nigiri.search import features
from nigiri.search.errors import PredictorError
from nigiri.zoo.build import FAMILIES, cost
from nigiri.zoo.plan import Choice, Family

__all__ = ["LIMIT", "PUBLISHED", "Macs", "Predictor", "Score", "from_tensors", "load_safetensors", "read_safetensors",
           "save_safetensors"]

LIMIT = 64 << 20
"""Largest file of a predictor, bytes."""
URL = "https://raw.githubusercontent.com/han-cai/files/master/ofa/"
PUBLISHED = {"ofa_mbv3_w12": URL + "acc_predictor.pth", "ofa_resnet50": URL + "ofa_resnet50_acc_predictor.pth"}
"""Where the authors of Once-for-All keep the predictors, by SuperNet."""
ENCODERS: dict[int, tuple[str, Callable[[Choice], np.ndarray]]] = {
    features.MOBILENET: ("ofa_mbv3_w12", features.mobilenet), features.RESNET: ("ofa_resnet50", features.resnet)}
"""By number of features: the SuperNet that the published predictor of that size is for, and its encoding."""


class Score(Protocol):
    """What a search maximises."""

    @property
    def name(self) -> str:
        """On axes and in tables."""

    def predict(self, choices: Sequence[Choice]) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """network: the SuperNet that it is for.

    weights, biases: float [out, in] and [out] of every layer; ReLU between them.  base: added to the output.
    """

    network: str
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    base: float = 0.0
    name: str = "predicted top-1 on held-out training images, %"

    def predict(self, choices: Sequence[Choice]) -> np.ndarray:
        """float64 [len(choices)], percent."""
        width = self.weights[0].shape[1]
        x = np.array([ENCODERS[width][1](c) for c in choices]).reshape(len(choices), width)
        for n, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ w.T + b
            x = np.maximum(x, 0) if n + 1 < len(self.weights) else x
        return 100 * (x[:, 0] + self.base)

    def check_for(self, family: Family) -> None:
        """PredictorError when the family's configurations are not what the predictor reads."""
        if self.network.rpartition("_w")[0] != family.name.rpartition("_w")[0]:
            raise PredictorError(f"this predictor is for {self.network}, not for {family.name}: give the predictor of "
                                 f"that SuperNet, or --proxy macs")


@dataclass(frozen=True)
class Macs:
    """A proxy, and no accuracy: the logarithm of the multiply-accumulates.  It says nothing of how they are spent."""

    family: Family
    name: str = "log2 of MMAC (a proxy, not an accuracy)"

    def predict(self, choices: Sequence[Choice]) -> np.ndarray:
        """float64 [len(choices)]."""
        layers = self.family.layers()
        return np.array([np.log2(cost(layers, self.family.steps(c))[0] / 1e6) for c in choices])


def from_tensors(tensors: Mapping[str, np.ndarray]) -> Predictor:
    """A predictor from its state dictionary: layers "0", "2", "4" ... or "layers.0.0" ... "layers.3", "base_acc".

    Raises
    ------
    PredictorError: the shapes are not those of a predictor that is known.
    """
    weights = {name.removesuffix(".weight"): np.asarray(t, np.float64) for name, t in tensors.items()
               if name.endswith(".weight")}
    order = sorted(weights, key=lambda name: [int(p) if p.isdigit() else -1 for p in name.split(".")])
    biases = []
    width = weights[order[0]].shape[-1] if order else 0
    now = width
    for name in order:
        w = weights[name]
        bias = np.asarray(tensors.get(f"{name}.bias", np.zeros(len(w) if w.ndim else 0)), np.float64)
        if w.ndim != 2 or w.shape[1] != now or bias.shape != (len(w),) or not np.isfinite(w).all():
            raise PredictorError(f"this is no accuracy predictor: layer {name} has weights of shape {list(w.shape)} "
                                 f"where {now} inputs come")
        biases.append(bias)
        now = len(w)
    if width not in ENCODERS or now != 1:
        known = " or ".join(f"{n} ({name})" for n, (name, _) in ENCODERS.items())
        raise PredictorError(f"this is no accuracy predictor: it has {width} inputs and {now} outputs, not {known} "
                             f"and 1")
    base = np.asarray(tensors.get("base_acc", 0.0), np.float64).ravel()
    return Predictor(network=ENCODERS[width][0], weights=tuple(weights[n] for n in order), biases=tuple(biases),
                     base=float(base[0]) if base.size else 0.0)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a .safetensors file of limited size; raises PredictorError."""
    try:
        if path.stat().st_size > LIMIT:
            raise PredictorError(f"{path} is larger than {LIMIT} bytes: it is no accuracy predictor")
        return safetensors.parse(path.read_bytes())
    except OSError as e:
        raise PredictorError(f"there is no predictor at {path} ({e.strerror}): check the path") from e
    except ValueError as e:
        raise PredictorError(f"{path} is no safetensors file: {e}") from e


def load_safetensors(path: Path) -> Predictor:
    """A predictor from a .safetensors file; raises PredictorError."""
    return from_tensors(read_safetensors(path))


def save_safetensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write a predictor's tensors, so that it is read without PyTorch from now on; raises PredictorError."""
    network = from_tensors(tensors).network
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(safetensors.dump({k: np.asarray(v) for k, v in tensors.items()}, {"network": network}))


assert {name for name, _ in ENCODERS.values()} <= set(FAMILIES)
