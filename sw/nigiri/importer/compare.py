"""Every layer of an imported network against the tensors that another runtime made, given the same inputs."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nigiri.compiler.graph import INPUT, Network
from nigiri.compiler.interpret import Interpreter
from nigiri.importer.lower import SUBNET

__all__ = ["Difference", "differences"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """tensor: of the network, "LAYER.y" before a residual is added.  values: compared; largest: difference in codes;
    equal: share of values without any."""

    tensor: str
    values: int
    largest: int
    equal: float


def differences(network: Network, images: np.ndarray, others: Mapping[str, np.ndarray]) -> list[Difference]:
    """Layer by layer, each on the other runtime's inputs.

    images: uint8 [N, height, width, channels].  others: int8 [N, height, width, channels] by tensor of the network
    (:func:`nigiri.importer.lower.lowered_places`), upright; tensors that are not there are taken from this network.
    """
    turn = (slice(None), slice(None, None, -1), slice(None, None, -1)) if network.turned else (slice(None),)
    run = Interpreter(network, SUBNET)
    known: dict[str, np.ndarray] = {INPUT: run.encode(images)}
    known |= {name: (t if t.ndim == 4 else t[:, None, None])[turn] for name, t in others.items()}
    rows: list[Difference] = []

    def compare(name: str, got: np.ndarray) -> None:
        if name in others:
            gap = np.abs(got.astype(int) - known[name].astype(int))
            rows.append(Difference(tensor=name, values=int(gap.size), largest=int(gap.max()),
                                   equal=float((gap == 0).mean())))
        else:
            known[name] = got.astype(np.int8)

    for layer, weights in zip(network.subnet(SUBNET).layers, run._weights, strict=True):
        scratch, r = dict(known), layer.residual
        if r and f"{layer.name}.y" in others:    # two layers elsewhere: the convolution, and the sum of its result
            run._layer(replace(layer, residual=None, pool=None, act_min=-128, act_max=127), weights, scratch)
            compare(f"{layer.name}.y", scratch[layer.name])
            total = ((known[f"{layer.name}.y"].astype(int) - r.zp_y) * r.mult_y
                     + (known[r.source].astype(int) - r.zp_res) * r.mult_r)
            total = (total + (1 << r.shift >> 1) >> r.shift) + r.zp_sum
            compare(layer.name, np.clip(total, layer.act_min, layer.act_max))
        else:
            run._layer(layer, weights, scratch)
            compare(layer.name, scratch[layer.name])
        if layer.pool:
            p, v = layer.pool, known[layer.name].astype(int).sum((1, 2), keepdims=True) + layer.pool.offset
            compare(f"{layer.name}.pool", np.clip((v * p.mult + (1 << p.shift >> 1) >> p.shift) + p.zp, -128, 127))
    return rows
