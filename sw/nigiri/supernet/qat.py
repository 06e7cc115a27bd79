"""Quantisation-aware training: a pass rounds weights and activations as the integer network does.

Weights are rounded with the scale of their whole row of the SuperNet, as :mod:`nigiri.quant.weights` does, so that all
SubNets go on sharing the same codes; activations with the range of the batch, one scale for a tensor of a SubNet.
Rounding has no slope, so gradients pass it as if it were not there, but not where a value was clipped (straight-through
estimator; Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, section 3).
"""
from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["rounded_activation", "rounded_rows"]


def rounded_rows(weight: Tensor) -> Tensor:
    """`weight` [rows, ...] on the int8 grid -127..127 of each row."""
    with torch.no_grad():
        top = weight.abs().flatten(1).amax(1).clamp_min(1e-12)
        scale = (top / 127).view(-1, *[1] * (weight.ndim - 1))
        change = (weight / scale).round() * scale - weight
    return weight + change


def rounded_activation(x: Tensor, *, relu: bool) -> Tensor:
    """`x` on 256 steps over the range of its values; `relu`: they start at zero, else zero falls on a step."""
    with torch.no_grad():
        low, high = x.amin().clamp_max(0), x.amax().clamp_min(1e-6)
        low = torch.zeros_like(low) if relu else low
        step = (high - low) / 255
        zero = (-128 - low / step).round().clamp(-128, 127)
        code = (x / step).round() + zero
        change = (code.clamp(-128, 127) - zero) * step - x
        kept = (code >= -128) & (code <= 127)
    return torch.where(kept, x, x.detach()) + change
