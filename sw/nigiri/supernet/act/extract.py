"""A SubNet as an ordinary model with weights of its own: what serving without SubNetAct keeps in memory."""
from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from nigiri.supernet.act.operators import AttentionSlice, ConvSlice, LayerSelect, LinearSlice, SubnetNorm
from nigiri.supernet.act.supernet import ActuatedSuperNet

__all__ = ["extract"]


@torch.no_grad()
def extract(net: ActuatedSuperNet, name: Hashable) -> nn.Module:
    """Copies the parameters of SubNet `name` into plain modules; the SuperNet stays as it is, with it actuated.

    Raises
    ------
    BadSubNet, Uncalibrated.
    """
    net.actuate(name)
    seen: dict[int, tuple[int, int]] = {}

    def look(module: nn.Module, inputs: tuple, output: Any) -> None:
        y = output[0] if isinstance(output, tuple) else output
        axis = 1 if isinstance(module, ConvSlice | SubnetNorm) else -1
        seen[id(module)] = inputs[0].shape[axis], y.shape[axis]

    ops = [m for m in net.model.modules() if isinstance(m, ConvSlice | LinearSlice | AttentionSlice | SubnetNorm)]
    handles = [m.register_forward_hook(look) for m in ops]
    try:
        net(net.example)
    finally:
        for h in handles:
            h.remove()
    return _plain(net.model, net, name, seen)


def _plain(module: nn.Module, net: ActuatedSuperNet, name: Hashable, seen: dict[int, tuple[int, int]]) -> nn.Module:
    values = net.subnets[name]
    if isinstance(module, LayerSelect):
        return nn.Sequential(*(_plain(module.each[n], net, name, seen) for n in values.blocks[module.number]))
    if isinstance(module, ConvSlice):
        c, (cin, cout) = module.inner, seen[id(module)]
        depthwise = c.groups > 1
        new = nn.Conv2d(cin, cout, c.kernel_size, c.stride, c.padding, c.dilation,  # type: ignore[arg-type]
                        cin if depthwise else 1, c.bias is not None)
        return _fill(new, c.weight[:cout, :1 if depthwise else cin], c.bias, cout)
    if isinstance(module, LinearSlice):
        cin, cout = seen[id(module)]
        return _fill(nn.Linear(cin, cout, module.inner.bias is not None), module.inner.weight[:cout, :cin],
                     module.inner.bias, cout)
    if isinstance(module, SubnetNorm):
        channels = seen[id(module)][0]
        norm = _fill(nn.BatchNorm2d(channels, module.eps), module.weight[:channels], module.bias, channels)
        mean, var = module.stats[name]
        norm.running_mean.copy_(mean)  # type: ignore[operator, union-attr]
        norm.running_var.copy_(var)  # type: ignore[operator, union-attr]
        return norm.eval()
    if isinstance(module, AttentionSlice):
        return _Attention(module, values.channels[module.number] or module.inner.num_heads)
    new_module = copy.copy(module)
    new_module._modules = {key: None if child is None else _plain(child, net, name, seen)
                           for key, child in module._modules.items()}
    new_module._parameters = {key: None if p is None else nn.Parameter(p.detach().clone())
                              for key, p in module._parameters.items()}
    return new_module


def _fill(new: nn.Module, weight: Tensor, bias: Tensor | None, count: int) -> nn.Module:
    new.weight.copy_(weight)  # type: ignore[operator, union-attr]
    if bias is not None:
        new.bias.copy_(bias[:count])  # type: ignore[operator, union-attr]
    return new


class _Attention(nn.Module):
    """Self-attention with fewer heads than the embedding has room for, which nn.MultiheadAttention cannot have."""

    def __init__(self, source: AttentionSlice, heads: int):
        super().__init__()
        a, size = source.inner, heads * source.inner.head_dim
        self.heads, self.parts = heads, nn.ModuleList()
        for n in range(3):
            rows = slice(n * a.embed_dim, n * a.embed_dim + size)
            self.parts.append(_fill(nn.Linear(a.embed_dim, size), a.in_proj_weight[rows], a.in_proj_bias[rows], size))
        self.out = _fill(nn.Linear(size, a.embed_dim), a.out_proj.weight[:, :size], a.out_proj.bias, a.embed_dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for part, x in zip(self.parts, (query, key, value), strict=True))
        weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2)), None
