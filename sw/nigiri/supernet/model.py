"""The weight-shared network in PyTorch: every SubNet is a slice of the same tensors.

Channels are sliced as the first k, depthwise kernels as the centre crop, depth as the first blocks of a stage
(Once-for-All, Cai et al., ICLR 2020; plain crop as in AttentiveNAS).  Batch-norm affine parameters are shared;
its statistics belong to a SubNet and are computed by :mod:`nigiri.supernet.calibrate`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.supernet.qat import rounded_activation, rounded_rows
from nigiri.supernet.space import Space, SubNetConfig

__all__ = ["ElasticConv", "SuperNet"]

EPS = 1e-5


class ElasticConv(nn.Module):
    """Convolution + batch norm (+ ReLU) whose channels and kernel are cut from one full tensor.

    Shapes: input [N, cin, H, W], output [N, cout, H/stride, W/stride]; `stats` is None to use the batch's own
    statistics, a list to collect (mean, var) into, or a (mean, var) pair to normalise with.
    """

    fast = False
    """Train with the fused CPU kernels of :mod:`nigiri.supernet.fastcpu`."""
    quantised = False
    """Round weights and results as the integer network does (:mod:`nigiri.supernet.qat`)."""

    def __init__(
        self, cin: int, cout: int, kernel: int, stride: int = 1, *, depthwise: bool = False, relu: bool = True
    ):
        super().__init__()
        self.stride, self.depthwise, self.relu, self.kernel = stride, depthwise, relu, kernel
        self.weight = nn.Parameter(torch.empty(cout, 1 if depthwise else cin, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out" if not depthwise else "fan_in")
        self.gamma = nn.Parameter(torch.ones(cout))
        self.beta = nn.Parameter(torch.zeros(cout))

    def slice(self, cin: int, cout: int, kernel: int) -> Tensor:
        c = (self.kernel - kernel) // 2
        full = rounded_rows(self.weight) if self.quantised else self.weight
        return full[:cout, : (1 if self.depthwise else cin), c : c + kernel, c : c + kernel]

    def forward(self, x: Tensor, cout: int, kernel: int, stats=None) -> Tensor:
        w = self.slice(x.shape[1], cout, kernel)
        g, b = self.gamma[:cout], self.beta[:cout]
        if self.fast and stats is None:
            from nigiri.supernet import fastcpu

            y = (
                fastcpu.depthwise(x, w, self.stride)
                if self.depthwise
                else F.conv2d(x, w, stride=self.stride, padding=kernel // 2)
            )
            y = fastcpu.batch_norm_relu(y, g, b, self.relu)
            return rounded_activation(y, relu=self.relu) if self.quantised else y
        y = F.conv2d(x, w, stride=self.stride, padding=kernel // 2, groups=cout if self.depthwise else 1)
        if isinstance(stats, list):
            z = y.float()
            stats.append((z.mean((0, 2, 3)), z.var((0, 2, 3), unbiased=False)))
            stats = None
        if stats is None:
            y = F.batch_norm(y, None, None, g, b, training=True, eps=EPS)
        else:
            y = F.batch_norm(y, stats[0], stats[1], g, b, training=False, eps=EPS)
        y = F.relu(y) if self.relu else y
        return rounded_activation(y, relu=self.relu) if self.quantised else y


class SuperNet(nn.Module):
    """The elastic network of a :class:`~nigiri.supernet.space.Space`; `forward(x, config)` runs one SubNet."""

    def __init__(self, space: Space):
        super().__init__()
        self.space = space
        self.stem = ElasticConv(space.channels, space.stem, 3)
        self.down = ElasticConv(space.stem, space.down, 3, 2)
        self.blocks = nn.ModuleList()
        for b in space.blocks:
            mid = b.cin * max(b.expands)
            block = nn.ModuleDict(
                {
                    "expand": ElasticConv(b.cin, mid, 1),
                    "dw": ElasticConv(mid, mid, max(b.kernels), b.stride, depthwise=True),
                    "project": ElasticConv(mid, b.cout, 1, relu=False),
                }
            )
            if b.residual:
                nn.init.zeros_(block["project"].gamma)
            self.blocks.append(block)
        self.head = ElasticConv(space.stages[-1].width, space.head, 1)
        self.fc = nn.Linear(space.head, space.classes)

    def layers(self, config: SubNetConfig) -> list[tuple[str, ElasticConv, int, int]]:
        """(name, module, output channels, kernel) of every convolution a SubNet runs, in order."""
        s = self.space
        out = [("stem", self.stem, s.stem, 3), ("down", self.down, s.down, 3)]
        for n, b in s.active(config):
            mid, k = b.cin * config.expands[n], config.kernels[n]
            m = self.blocks[n]
            out += [
                (f"{b.name}.expand", m["expand"], mid, 1),
                (f"{b.name}.dw", m["dw"], mid, k),
                (f"{b.name}.project", m["project"], b.cout, 1),
            ]
        return [*out, ("head", self.head, s.head, 1)]

    def forward(self, x: Tensor, config: SubNetConfig, stats=None, collect: bool = False) -> Tensor:
        """Logits [N, classes].  `stats` maps layer name to (mean, var); with `collect` it is filled with lists."""

        def run(name, module, x, cout, kernel):
            if stats is None:
                return module(x, cout, kernel)
            if collect:
                return module(x, cout, kernel, stats.setdefault(name, []))
            return module(x, cout, kernel, stats[name])

        todo = iter(self.layers(config))
        x = run(next(todo)[0], self.stem, x, self.space.stem, 3)
        x = run(next(todo)[0], self.down, x, self.space.down, 3)
        for _, b in self.space.active(config):
            y = x
            for _ in range(3):
                name, module, cout, kernel = next(todo)
                y = run(name, module, y, cout, kernel)
            x = x + y if b.residual else y
        name, module, cout, kernel = next(todo)
        x = run(name, module, x, cout, kernel)
        return self.fc(x.mean((2, 3)))
