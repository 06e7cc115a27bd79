"""Layers cut from the tensors of a SuperNet, under the names of the official checkpoints.

Output and input channels are the first k, depthwise kernels the centre of the full kernel, passed through the learned
matrices of Once-for-All (Cai et al., ICLR 2020, section 3.3) or plain.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.supernet.ofa.errors import BadStatistics
from nigiri.zoo.plan import divisible

__all__ = ["ConvNorm", "Depthwise", "Excite", "Linear", "Norm", "Run", "Stats", "linear", "nested"]

Stats = dict[str, tuple[Tensor, Tensor]]
"""Mean and variance [channels] of each batch norm of a SubNet, by the norm's name in the SuperNet."""
Act = Callable[[Tensor], Tensor]


def linear(x: Tensor) -> Tensor:
    """No activation."""
    return x


@dataclass(kw_only=True)
class Run:
    """One pass of a SubNet.  stats: normalise with these; None: with the SuperNet's own (in training mode, with the
    batch's).  collect: gets the batch's mean, variance and image count per norm, which is normalised with them.
    used: gets every tensor that the SubNet reads, as cut, by its name in the state dict.
    """

    stats: Stats | None = None
    collect: dict[str, list[tuple[Tensor, Tensor, int]]] | None = None
    used: dict[str, Tensor] | None = None

    def note(self, module: nn.Module, **tensors: Tensor) -> None:
        if self.used is not None:
            self.used.update({f"{module.path}.{name}": tensor for name, tensor in tensors.items()})


def nested(key: str, module: nn.Module, elastic: bool) -> nn.Module:
    """`module`, one level deeper when it is elastic: the official names of elastic layers repeat their last part."""
    return nn.ModuleDict({key: module}) if elastic else module


def inner(module: nn.Module) -> nn.Module:
    """The module that :func:`nested` was given."""
    return next(iter(module.values())) if isinstance(module, nn.ModuleDict) else module


class Conv(nn.Conv2d):
    """Convolution [N, cin, H, W] -> [N, cout, H/stride, W/stride] with the first weights of both channel axes."""

    path = ""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int):
        super().__init__(cin, cout, kernel, stride, kernel // 2, bias=False)

    def cut(self, x: Tensor, cout: int, run: Run) -> Tensor:
        weight = self.weight[:cout, :x.shape[1]]
        run.note(self, weight=weight)
        return F.conv2d(x, weight, None, self.stride, self.padding)


class Norm(nn.BatchNorm2d):
    """Batch norm of the first channels.  Scale and shift are shared; the statistics belong to a SubNet."""

    path = ""

    def cut(self, x: Tensor, run: Run) -> Tensor:
        c = x.shape[1]
        weight, bias = self.weight[:c], self.bias[:c]
        mean, var = self.running_mean[:c], self.running_var[:c]
        if run.collect is not None:
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            run.collect.setdefault(self.path, []).append((mean, var, len(x)))
        elif run.stats is not None:
            mean, var = self._given(run.stats, c)
        elif self.training:
            return F.batch_norm(x, None, None, weight, bias, True, 0.0, self.eps)
        run.note(self, weight=weight, bias=bias, running_mean=mean, running_var=var)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, self.eps)

    def _given(self, stats: Stats, channels: int) -> tuple[Tensor, Tensor]:
        if self.path not in stats:
            raise BadStatistics(f"the statistics lack {self.path}: compute them for this SubNet with recalibrate")
        mean, var = stats[self.path]
        if mean.shape != (channels,) or var.shape != (channels,):
            raise BadStatistics(f"the statistics of {self.path} have shape {list(mean.shape)}, not [{channels}]: "
                                "compute them for this SubNet with recalibrate")
        return mean, var


class ConvNorm(nn.Module):
    """Convolution, batch norm (unless norm=False), activation."""

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, act: Act = linear, *,
                 elastic: bool = True, norm: bool = True, eps: float = 1e-5):
        super().__init__()
        self.conv, self.act, self.cout = nested("conv", Conv(cin, cout, kernel, stride), elastic), act, cout
        if norm:
            self.bn = nested("bn", Norm(cout, eps=eps), elastic)
        else:
            self.bn = None

    def forward(self, x: Tensor, run: Run, cout: int | None = None) -> Tensor:
        x = inner(self.conv).cut(x, self.cout if cout is None else cout, run)
        return self.act(x if self.bn is None else inner(self.bn).cut(x, run))


class Depthwise(nn.Module):
    """Depthwise convolution whose kernel of side 3 or 5 comes from the one of side 7 (or 5 from 7 first, then 3)."""

    path = ""

    def __init__(self, channels: int, kernels: tuple[int, ...], stride: int):
        super().__init__()
        self.kernels, self.stride = sorted(kernels), stride
        self.conv = nn.Conv2d(channels, channels, max(kernels), stride, groups=channels, bias=False)
        for small, large in zip(self.kernels, self.kernels[1:], strict=False):
            self.register_parameter(f"{large}to{small}_matrix", nn.Parameter(torch.eye(small * small)))

    def kernel(self, channels: int, side: int, transform: bool) -> Tensor:
        """[channels, 1, side, side]; transform: with the learned matrices, else the plain centre."""
        weight = self.conv.weight[:channels]
        for small, large in reversed([*zip(self.kernels, self.kernels[1:], strict=False)]):
            if small < side:
                break
            edge = (large - small) // 2
            weight = weight[..., edge:edge + small, edge:edge + small]
            if transform:
                matrix = getattr(self, f"{large}to{small}_matrix")
                weight = (weight.flatten(1) @ matrix.T).view(channels, 1, small, small)
        return weight

    def forward(self, x: Tensor, run: Run, side: int, transform: bool) -> Tensor:
        weight = self.kernel(x.shape[1], side, transform)
        run.note(self, **{"conv.weight": weight})
        return F.conv2d(x, weight, None, self.stride, side // 2, 1, x.shape[1])


class Excite(nn.Module):
    """Squeeze-and-excite: scales each channel by a gate in 0..1 computed from the means of all channels."""

    path = ""

    def __init__(self, channels: int):
        super().__init__()
        middle = divisible(channels // 4)
        self.fc = nn.ModuleDict({"reduce": nn.Conv2d(channels, middle, 1), "expand": nn.Conv2d(middle, channels, 1)})

    def forward(self, x: Tensor, run: Run) -> Tensor:
        c = x.shape[1]
        middle, reduce, expand = divisible(c // 4), self.fc["reduce"], self.fc["expand"]
        cut = {"fc.reduce.weight": reduce.weight[:middle, :c], "fc.reduce.bias": reduce.bias[:middle],
               "fc.expand.weight": expand.weight[:c, :middle], "fc.expand.bias": expand.bias[:c]}
        run.note(self, **cut)
        y = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), cut["fc.reduce.weight"], cut["fc.reduce.bias"]))
        return x * F.hardsigmoid(F.conv2d(y, cut["fc.expand.weight"], cut["fc.expand.bias"]))


class Linear(nn.Module):
    """Dropout, then a fully connected layer over the first input features."""

    path = ""

    def __init__(self, features: int, classes: int, *, elastic: bool, dropout: float = 0.0):
        super().__init__()
        self.linear, self.dropout = nested("linear", nn.Linear(features, classes), elastic), dropout

    def forward(self, x: Tensor, run: Run) -> Tensor:
        layer = inner(self.linear)
        weight = layer.weight[:, :x.shape[1]]
        at = "linear" if layer is self.linear else "linear.linear"
        run.note(self, **{f"{at}.weight": weight, f"{at}.bias": layer.bias})
        return F.linear(F.dropout(x, self.dropout, self.training), weight, layer.bias)
