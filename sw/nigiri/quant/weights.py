"""One set of int8 weights for all SubNets: symmetric per output channel, scale from the full row of the SuperNet."""
from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nigiri.compiler.graph import SuperLayer
from nigiri.compiler.pack import pack_weights
from nigiri.supernet.model import ElasticConv, SuperNet

__all__ = ["SharedWeights", "quantise_rows", "share"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedWeights:
    """layers: the SuperNet layers in memory order.  By layer name: codes int8 [cout, 1 or cin, k, k] with the sign of
    gamma folded in, scales float64 [cout].  words: the weight image, uint8 [words, 64]."""

    layers: tuple[SuperLayer, ...]
    codes: dict[str, np.ndarray]
    scales: dict[str, np.ndarray]
    words: np.ndarray

    def layer(self, name: str) -> SuperLayer:
        return next(s for s in self.layers if s.name == name)


def quantise_rows(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(codes int8 in -127..127, scales float64 [rows]) of weights [rows, ...]; a row of zeros has scale 1."""
    w = weights.astype(np.float64)
    top = np.abs(w).reshape(len(w), -1).max(1)
    scales = np.where(top > 0, top / 127.0, 1.0)
    codes = np.rint(w / scales.reshape(-1, *[1] * (w.ndim - 1)))
    return np.clip(codes, -127, 127).astype(np.int8), scales


def modules(net: SuperNet) -> list[tuple[str, ElasticConv]]:
    """(name, module) of every convolution of the SuperNet at its largest, in the order they run."""
    out: list[tuple[str, ElasticConv]] = [("stem", net.stem), ("down", net.down)]
    for b, m in zip(net.space.blocks, net.blocks, strict=True):
        out += [(f"{b.name}.{part}", m[part]) for part in ("expand", "dw", "project")]  # type: ignore[index]
    for block, parts in getattr(net, "attention", {}).items():
        out += [(f"{block}.{name}", m) for name, m in parts.items()]
    return [*out, ("head", net.head)]


def _sign(gamma: Tensor) -> np.ndarray:
    return np.where(gamma.detach().double().numpy() < 0, -1, 1)


def share(net: SuperNet) -> SharedWeights:
    """Quantise all weights of a SuperNet and lay them out in memory."""
    layers: list[SuperLayer] = []
    codes, scales, words = {}, {}, []

    def add(name: str, weights: Tensor, sign: np.ndarray, stride: int = 1, depthwise: bool = False) -> None:
        q, scale = quantise_rows(weights.detach().numpy())
        codes[name], scales[name] = q * sign.astype(np.int8).reshape(-1, 1, 1, 1), scale
        cout, cin, kernel, _ = q.shape
        layers.append(SuperLayer(id=len(layers), name=name, cin=cout if depthwise else cin, cout=cout, kernel=kernel,
                                 stride=stride, depthwise=depthwise, offset=sum(s.words for s in layers)))
        words.append(pack_weights(layers[-1], codes[name]))

    for name, m in modules(net):
        add(name, m.weight, _sign(m.gamma), m.stride, m.depthwise)
    add("fc", net.fc.weight[:, :, None, None], np.ones(net.fc.out_features))
    return SharedWeights(layers=tuple(layers), codes=codes, scales=scales, words=np.concatenate(words))


def dequantised(net: SuperNet, shared: SharedWeights) -> SuperNet:
    """A copy of `net` with the values that the int8 codes stand for: its statistics absorb what rounding changed."""
    twin = copy.deepcopy(net)

    def values(name: str, sign: np.ndarray) -> Tensor:
        return torch.from_numpy(shared.codes[name] * (shared.scales[name] * sign)[:, None, None, None]).float()

    with torch.no_grad():
        for name, m in modules(twin):
            m.weight.copy_(values(name, _sign(m.gamma)))
        twin.fc.weight.copy_(values("fc", np.ones(twin.fc.out_features))[:, :, 0, 0])
    return twin
