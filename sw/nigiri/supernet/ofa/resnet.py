"""OFA-ResNet50: the elastic ResNet-50-D of Once-for-All as a torch module; structure in :mod:`nigiri.zoo.resnet`."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.supernet.ofa.config import ResNetConfig, resnet_space
from nigiri.supernet.ofa.layers import ConvNorm, Linear, Run
from nigiri.supernet.ofa.net import ElasticNet
from nigiri.zoo.plan import divisible
from nigiri.zoo.resnet import EXPANDS, MOST, STAGES, STEM

__all__ = ["OFAResNet50"]


class Residual(nn.Module):
    """The stem's optional layer: a convolution added to its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = ConvNorm(channels, channels, 3, act=F.relu)

    def forward(self, x: Tensor, run: Run) -> Tensor:
        return x + self.conv(x, run, x.shape[1])


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided), 1x1 convolution, added to the input or, in a stage's first block, to a pooled 1x1 of it."""

    def __init__(self, cin: int, cout: int, stride: int, first: bool):
        super().__init__()
        middle = divisible(round(cout * max(EXPANDS)))
        self.stride = stride
        self.conv1 = ConvNorm(cin, middle, act=F.relu)
        self.conv2 = ConvNorm(middle, middle, 3, stride, F.relu)
        self.conv3 = ConvNorm(middle, cout)
        self.downsample = ConvNorm(cin, cout) if first else None

    def forward(self, x: Tensor, run: Run, cout: int, expand: float) -> Tensor:
        shortcut = x
        if self.downsample is not None:
            shortcut = self.downsample(F.avg_pool2d(x, self.stride, ceil_mode=True), run, cout)
        middle = divisible(round(cout * expand))
        y = self.conv2(self.conv1(x, run, middle), run, middle)
        return F.relu(self.conv3(y, run, cout) + shortcut)


class OFAResNet50(ElasticNet):
    """The SuperNet of SubNets :class:`~nigiri.supernet.ofa.config.ResNetConfig`; 48 million parameters."""

    def __init__(self, name: str = "ofa_resnet50", classes: int = 1000):
        super().__init__()
        self.name, self.space = name, resnet_space(name)
        first, cin = STEM[0][-1], STEM[1][-1]
        self.input_stem = nn.ModuleList([ConvNorm(3, first, 3, 2, F.relu), Residual(first),
                                         ConvNorm(first, cin, 3, act=F.relu)])
        self.blocks = nn.ModuleList()
        for s, widths in enumerate(STAGES):
            for b in range(MOST[s]):
                self.blocks.append(Bottleneck(cin, widths[-1], 2 if s and not b else 1, not b))
                cin = widths[-1]
        self.classifier = Linear(cin, classes, elastic=True)
        self._named()

    def body(self, x: Tensor, config: ResNetConfig, run: Run) -> Tensor:
        x = self.input_stem[0](x, run, STEM[0][config.width[0]])
        if config.depth[0]:
            x = self.input_stem[1](x, run)
        x = F.max_pool2d(self.input_stem[2](x, run, STEM[1][config.width[1]]), 3, 2, 1)
        widths = [STAGES[s][config.width[2 + s]] for s, most in enumerate(MOST) for _ in range(most)]
        for block, used, cout, expand in zip(self.blocks, self.space.used(config), widths, config.expand, strict=True):
            if used:
                x = block(x, run, cout, expand)
        return self.classifier(x.mean((2, 3)), run)
