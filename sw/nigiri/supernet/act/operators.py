"""LayerSelect, WeightSlice and SubnetNorm: modules that hold the parameters of those that they replace."""
from __future__ import annotations

from collections.abc import Hashable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.supernet.act.control import Control
from nigiri.supernet.act.errors import Uncalibrated

__all__ = ["AttentionSlice", "ConvSlice", "LayerSelect", "LinearSlice", "SubnetNorm"]


class LayerSelect(nn.Module):
    """In place of a stage: runs some of its blocks."""

    def __init__(self, blocks: nn.Sequential, control: Control, number: int):
        super().__init__()
        self.blocks, self.control, self.number = blocks, control, number
        self.each = list(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for n in self.control.get().blocks[self.number]:
            x = self.each[n](x)
        return x


class _Slice(nn.Module):
    """number: of the operator; its first channels are used, as many as the control says."""

    def __init__(self, inner: nn.Module, control: Control, number: int):
        super().__init__()
        self.inner, self.control, self.number = inner, control, number

    def active(self, most: int) -> int:
        return self.control.get().channels[self.number] or most


class ConvSlice(_Slice):
    """WeightSlice of a convolution: its first output channels, as many input channels as come; slices are views."""

    inner: nn.Conv2d

    def forward(self, x: Tensor) -> Tensor:
        c = self.inner
        depthwise = c.groups > 1
        out = x.shape[1] if depthwise else self.active(c.out_channels)
        weight = c.weight[:out] if depthwise else c.weight[:out, :x.shape[1]]
        return F.conv2d(x, weight, None if c.bias is None else c.bias[:out], c.stride, c.padding,  # type: ignore[arg-type]
                        c.dilation, x.shape[1] if depthwise else 1)


class LinearSlice(_Slice):
    """WeightSlice of a fully connected layer."""

    inner: nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        n = self.inner
        out = self.active(n.out_features)
        return F.linear(x, n.weight[:out, :x.shape[-1]], None if n.bias is None else n.bias[:out])


class AttentionSlice(_Slice):
    """WeightSlice of self-attention [N, L, E]: its first heads."""

    inner: nn.MultiheadAttention

    def forward(self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        a = self.inner
        heads, size, e = self.active(a.num_heads), a.head_dim, a.embed_dim
        parts = []
        for n, x in enumerate((query, key, value)):
            rows = slice(n * e, n * e + heads * size)
            y = F.linear(x, a.in_proj_weight[rows], None if a.in_proj_bias is None else a.in_proj_bias[rows])
            parts.append(y.unflatten(-1, (heads, size)).transpose(1, 2))
        y = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        return F.linear(y, a.out_proj.weight[:, :heads * size], a.out_proj.bias), None


class SubnetNorm(nn.Module):
    """In place of batch norm: scale and offset are shared, mean and variance belong to a SubNet."""

    def __init__(self, inner: nn.BatchNorm2d, control: Control, number: int):
        super().__init__()
        self.weight, self.bias, self.eps = inner.weight, inner.bias, inner.eps
        self.control, self.number = control, number
        self.stats: dict[Hashable, tuple[Tensor, Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        values, c = self.control.get(), x.shape[1]
        if values.collect is not None:
            values.collect[self.number].append((x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)))
            return F.batch_norm(x, None, None, self.weight[:c], self.bias[:c], True, 0.0, self.eps)
        found = self.stats.get(values.name)
        if found is None:
            raise Uncalibrated(f"SubNet {values.name!r} has no batch-norm statistics: call calibrate() with "
                               f"some images")
        mean, var = found
        return F.batch_norm(x, mean.to(x.dtype), var.to(x.dtype), self.weight[:c], self.bias[:c], False, 0.0, self.eps)

    def keep(self, name: Hashable, seen: list[tuple[Tensor, Tensor]], kind: torch.dtype) -> None:
        """The mean over batches as the statistics of SubNet `name`."""
        mean, var = (torch.stack([s[n] for s in seen]).mean(0).to(kind) for n in (0, 1))
        self.stats[name] = mean, var
