"""Whether a SubNet's tensors carry information: not all zero, not saturated, not constant."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.compiler.graph import INPUT, Network
from nigiri.zoo.errors import DeadNetwork
from nigiri.zoo.pictures import pictures
from nigiri.zoo.propagate import run

__all__ = ["Tensor", "check_alive", "report"]

MOST_HIGH = 0.03
"""Share of codes that may be the largest."""
MOST_LOW = {True: 0.80, False: 0.08}
"""Share of codes that may be the smallest, where that code is zero (ReLU) and where it is not."""
MOST_CONSTANT = 0.05
"""Share of channels that may be the same everywhere, on maps of at least `PIXELS` pixels."""
PIXELS = 16
LEAST_DISTINCT = 24
"""Different codes of a tensor; of a tensor with fewer than four times as many values, a quarter of the values."""


@dataclass(frozen=True)
class Tensor:
    """Codes of one tensor over all images.

    low, high: share of the codes -128 and 127.  distinct: number of different codes.
    constant: share of the channels with one code only (0 for maps of a few pixels).
    one_sided: the code -128 is zero.
    """

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    distinct: int
    constant: float
    one_sided: bool

    def problem(self) -> str:
        """What is wrong with the tensor, or ""."""
        least = min(LEAST_DISTINCT, int(np.prod(self.shape)) // 4)
        for bad, text in ((self.low > MOST_LOW[self.one_sided], f"{self.low:.1%} of its codes are -128"),
                          (self.high > MOST_HIGH, f"{self.high:.1%} of its codes are 127"),
                          (self.distinct < least, f"it has {self.distinct} different codes, fewer than {least}"),
                          (self.constant > MOST_CONSTANT, f"{self.constant:.1%} of its channels are constant")):
            if bad:
                return text
        return ""


def _zero_points(network: Network, name: str) -> dict[str, int]:
    zps = {INPUT: network.input_zp}
    for layer in network.subnet(name).layers:
        if layer.residual:
            zps[layer.name] = layer.residual.zp_sum
        elif layer.scale:
            zps[layer.name] = layer.scale.zp_sum
        elif network.super_layer(layer).shared:
            zps[layer.name] = zps[layer.source]
        else:       # behind a table the zero is wherever the table is nearest to it: not at an end, except for gates
            zps[layer.name] = 0 if layer.table is not None else layer.zp_out
        if layer.pool:
            zps[f"{layer.name}.pool"] = layer.pool.zp
    return zps


def report(network: Network, name: str, images: np.ndarray | None = None) -> list[Tensor]:
    """Every tensor of a SubNet; images: uint8 [N, side, side, 3], by default three that calibration has not seen."""
    if images is None:
        images = pictures(3, network.image_side(network.subnet(name))[0], seed=1)
    zps, out = _zero_points(network, name), []
    for key, x in run(network, name, images).items():
        flat = x.reshape(-1, x.shape[3])
        constant = float((flat.min(0) == flat.max(0)).mean()) if x.shape[1] * x.shape[2] >= PIXELS else 0.0
        out.append(Tensor(key, x.shape[1:], float((x == -128).mean()), float((x == 127).mean()), len(np.unique(x)),
                          constant, zps[key] == -128))
    return out


def check_alive(network: Network, name: str, images: np.ndarray | None = None) -> list[Tensor]:
    """:func:`report`, after checking it; DeadNetwork names the first tensor that is unsound."""
    tensors = report(network, name, images)
    for t in tensors:
        if t.problem():
            raise DeadNetwork(f"SubNet {name} of {network.name}: tensor {t.name} {list(t.shape)} is not alive: "
                              f"{t.problem()}; calibrate it with other images or another seed")
    return tensors
