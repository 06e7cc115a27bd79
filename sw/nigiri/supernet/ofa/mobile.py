"""OFA-MobileNetV3 and OFA-ProxylessNAS as torch modules: inverted residuals, elastic in kernel, expansion and depth."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.supernet.ofa.config import DEPTHS, EXPANSIONS, KERNELS, MobileConfig, mobile_space
from nigiri.supernet.ofa.layers import Act, ConvNorm, Depthwise, Excite, Linear, Norm, Run, inner, nested
from nigiri.supernet.ofa.net import ElasticNet
from nigiri.zoo.mobilenet import BASE, EXCITE, PLAIN, STRIDES
from nigiri.zoo.plan import divisible

__all__ = ["OFAMobileNetV3", "OFAProxylessNAS"]

DROPOUT = 0.1


class DepthwiseNorm(nn.Module):
    """Depthwise convolution, batch norm, activation, squeeze-and-excite if wanted."""

    def __init__(self, channels: int, stride: int, act: Act, excite: bool, elastic: bool, eps: float):
        super().__init__()
        self.conv = Depthwise(channels, KERNELS, stride) if elastic else FixedDepthwise(channels, stride)
        self.bn, self.act = nested("bn", Norm(channels, eps=eps), elastic), act
        self.se = Excite(channels) if excite else None

    def forward(self, x: Tensor, run: Run, side: int, transform: bool) -> Tensor:
        x = self.act(inner(self.bn).cut(self.conv(x, run, side, transform), run))
        return x if self.se is None else self.se(x, run)


class FixedDepthwise(nn.Conv2d):
    """The 3x3 depthwise convolution of the first block, which is not elastic."""

    path = ""

    def __init__(self, channels: int, stride: int):
        super().__init__(channels, channels, 3, stride, 1, groups=channels, bias=False)

    def forward(self, x: Tensor, run: Run, side: int, transform: bool) -> Tensor:
        run.note(self, weight=self.weight)
        return super().forward(x)


class InvertedBottleneck(nn.Module):
    """1x1 expansion (not in the first block), depthwise convolution, 1x1 projection without activation."""

    def __init__(self, cin: int, cout: int, stride: int, act: Act, *, excite: bool = False, elastic: bool = True,
                 eps: float = 1e-5):
        super().__init__()
        middle = divisible(cin * max(EXPANSIONS)) if elastic else cin
        self.inverted_bottleneck = ConvNorm(cin, middle, act=act, eps=eps) if elastic else None
        self.depth_conv = DepthwiseNorm(middle, stride, act, excite, elastic, eps)
        self.point_linear = ConvNorm(middle, cout, elastic=elastic, eps=eps)

    def forward(self, x: Tensor, run: Run, expand: int, side: int, transform: bool) -> Tensor:
        if self.inverted_bottleneck is not None:
            x = self.inverted_bottleneck(x, run, divisible(x.shape[1] * expand))
        return self.point_linear(self.depth_conv(x, run, side, transform), run)


class Block(nn.Module):
    """An inverted bottleneck, added to its input where the shapes agree."""

    def __init__(self, conv: InvertedBottleneck, residual: bool):
        super().__init__()
        self.conv, self.residual = conv, residual

    def forward(self, x: Tensor, run: Run, expand: int = 1, side: int = 3, transform: bool = False) -> Tensor:
        y = self.conv(x, run, expand, side, transform)
        return x + y if self.residual else y


class Mobile(ElasticNet):
    """What both families share: first convolution, `blocks` (the first not elastic), and a head of their own."""

    def stages(self, first: int, widths: list[int], counts: list[int], strides: list[int], acts: list[Act],
               excites: list[bool], eps: float, residual: bool) -> int:
        """Build first_conv and blocks; returns the channels that leave them.  widths[0]: of the first block, which has
        a residual connection if `residual`."""
        self.first_conv = ConvNorm(3, first, 3, 2, acts[0], elastic=False, eps=eps)
        cin = widths[0]
        head = InvertedBottleneck(first, cin, 1, acts[1], elastic=False, eps=eps)
        self.blocks = nn.ModuleList([Block(head, residual)])
        for cout, count, stride, act, excite in zip(widths[1:], counts, strides, acts[2:], excites, strict=True):
            for b in range(count):
                conv = InvertedBottleneck(cin, cout, 1 if b else stride, act, excite=excite, eps=eps)
                self.blocks.append(Block(conv, (b > 0 or stride == 1) and cin == cout))
                cin = cout
        return cin

    def body(self, x: Tensor, config: MobileConfig, run: Run) -> Tensor:
        x = self.blocks[0](self.first_conv(x, run), run)
        rows = zip(self.blocks[1:], self.space.used(config), config.expand, config.kernel, strict=True)
        for block, used, expand, kernel in rows:
            if used:
                x = block(x, run, expand, kernel, self.kernel_transform)
        return self.head(x, run)

    def head(self, x: Tensor, run: Run) -> Tensor:
        raise NotImplementedError


class OFAMobileNetV3(Mobile):
    """SubNets :class:`~nigiri.supernet.ofa.config.MobileConfig` with h-swish and squeeze-and-excite; structure in
    :mod:`nigiri.zoo.mobilenet`.  width: multiplier of all channel counts, 1.0 or 1.2 in the released checkpoints."""

    def __init__(self, name: str, width: float, classes: int = 1000):
        super().__init__()
        self.name, self.space = name, mobile_space(name)
        first, *widths = (divisible(c * width) for c in BASE)
        acts: list[Act] = [F.relu if s < PLAIN else F.hardswish for s in range(len(STRIDES))]
        cin = self.stages(first, widths, [max(DEPTHS)] * len(STRIDES), list(STRIDES), [F.hardswish, F.relu, *acts],
                          list(EXCITE), 1e-5, first == widths[0])
        expand, mix = divisible(960 * width), divisible(1280 * width)
        self.final_expand_layer = ConvNorm(cin, expand, act=F.hardswish, elastic=False)
        self.feature_mix_layer = ConvNorm(expand, mix, act=F.hardswish, elastic=False, norm=False)
        self.classifier = Linear(mix, classes, elastic=False, dropout=DROPOUT)
        self._named()

    def head(self, x: Tensor, run: Run) -> Tensor:
        x = self.final_expand_layer(x, run).mean((2, 3), keepdim=True)
        return self.classifier(self.feature_mix_layer(x, run).flatten(1), run)


class OFAProxylessNAS(Mobile):
    """SubNets :class:`~nigiri.supernet.ofa.config.MobileConfig` with ReLU6 and a last block of fixed depth (Cai, Zhu
    and Han, ICLR 2019, made elastic by Once-for-All).  width: multiplier, 1.3 in the released checkpoint."""

    def __init__(self, name: str, width: float, classes: int = 1000):
        super().__init__()
        self.name, self.space = name, mobile_space(name, last=1)
        first, *widths, mix = (divisible(c * width) for c in (32, 16, 24, 40, 80, 96, 192, 320, 1280))
        cin = self.stages(first, widths, [max(DEPTHS)] * 5 + [1], [2, 2, 2, 1, 2, 1], [F.relu6] * 8, [False] * 6, 1e-3,
                          False)
        self.feature_mix_layer = ConvNorm(cin, mix, act=F.relu6, elastic=False, eps=1e-3)
        self.classifier = Linear(mix, classes, elastic=False, dropout=DROPOUT)
        self._named()

    def head(self, x: Tensor, run: Run) -> Tensor:
        return self.classifier(self.feature_mix_layer(x, run).mean((2, 3)), run)
