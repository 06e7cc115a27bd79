"""A part in torch: convolutions in float64, which is exact for sums of int8 products, everything else in int64."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nigiri.compiler.graph import INPUT, Layer, Network, SubNet
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.pack import unpack_weights
from nigiri.split.boundary import crossing

__all__ = ["TorchRunner"]


def _shift(x: Tensor, shift: Tensor) -> Tensor:
    """x / 2**shift rounded half up."""
    half = torch.where(shift > 0, torch.ones_like(shift) << (shift - 1).clamp_min(0), torch.zeros_like(shift))
    return (x + half) >> shift


def _column(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64)).view(1, -1, 1, 1)


class TorchRunner:
    """See :class:`nigiri.split.runners.Runner`."""

    def __init__(self, network: Network):
        self.network = network

    def run(self, subnet: str, first: int, end: int, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        s = self.network.subnet(subnet)
        have: dict[str, Tensor] = {}
        for name, value in tensors.items():
            if name == INPUT and value.dtype == np.uint8:
                value = Interpreter(self.network, subnet).encode(value[None])[0].transpose(2, 0, 1)
            have[name] = torch.from_numpy(value.astype(np.int64))[None]
        for layer in s.layers[first:end]:
            self._layer(layer, have)
        return {t: np.asarray(tensors[t]) if t in tensors else have[t][0].numpy().astype(np.int8)
                for t in crossing(self.network, s, end)}

    def _weights(self, layer: Layer) -> Tensor:
        s = self.network.super_layer(layer)
        full = unpack_weights(s, self.network.weights[s.offset:s.offset + s.words])
        if s.shared:
            full = np.tile(full, (-(-layer.cout // len(full)), 1, 1, 1))
        c = (s.kernel - layer.kernel) // 2
        crop = slice(c, c + layer.kernel)
        return torch.from_numpy(full[:layer.cout, :1 if s.depthwise else layer.cin, crop, crop].astype(np.float64))

    def _sums(self, layer: Layer, have: dict[str, Tensor]) -> Tensor:
        s, x, r = self.network.super_layer(layer), have[layer.source], layer.kernel // 2
        if s.product:
            a = x.flatten(2).transpose(1, 2).double()
            b = have[layer.operand].flatten(2).double()
            total = a @ (b.transpose(1, 2) if s.transpose else b)
            return total.transpose(1, 2).reshape(1, layer.cout, *x.shape[2:]).long()
        if layer.plane:
            x = x[:, :, layer.plane // 2:, layer.plane % 2:]
        padded = F.pad(x.double(), [r] * 4, value=float(layer.zp_in))
        if s.maximum:
            return F.max_pool2d(padded, layer.kernel, s.stride).long()
        groups = layer.cout if s.depthwise else 1
        return F.conv2d(padded, self._weights(layer), stride=s.stride, groups=groups).long()

    def _layer(self, layer: Layer, have: dict[str, Tensor]) -> None:
        height, width = self.network.out_side(layer)
        acc = self._sums(layer, have)[:, :, :height, :width] + _column(layer.bias)
        acc = (acc + 2**31) % 2**32 - 2**31
        v = (_shift(acc * _column(layer.mult), _column(layer.shift)) + layer.zp_out).clamp(-128, 127)
        if layer.table is not None:
            v = torch.from_numpy(layer.table.astype(np.int64))[v & 255]
        if layer.residual:
            r = layer.residual
            total = (v - r.zp_y) * r.mult_y + (have[r.source] - r.zp_res) * r.mult_r
            v = (_shift(total, torch.tensor(r.shift)) + r.zp_sum).clamp(-128, 127)
        if layer.scale:
            g = layer.scale
            factor = ((have[g.source] + 128) * g.mult + 128) >> 8
            v = (_shift((v - g.zp_y) * factor, torch.tensor(g.shift)) + g.zp_sum).clamp(-128, 127)
        v = v.clamp(max=layer.act_max).clamp(min=layer.act_min)
        have[layer.name] = v
        if layer.pool:
            p = layer.pool
            total = (v.sum((2, 3), keepdim=True) + p.offset + 2**31) % 2**32 - 2**31
            have[f"{layer.name}.pool"] = (_shift(total * p.mult, torch.tensor(p.shift)) + p.zp).clamp(-128, 127)


def whole(network: Network, subnet: SubNet, image: np.ndarray) -> np.ndarray:
    """int8 logits of one image."""
    count = len(subnet.layers)
    out = TorchRunner(network).run(subnet.info.name, 0, count, {INPUT: image})
    return out[subnet.output].reshape(-1)
