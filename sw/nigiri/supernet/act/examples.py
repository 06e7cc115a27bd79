"""Ordinary models, as somebody would write them without knowing of SuperNets."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.supernet.act.supernet import Tags

__all__ = ["RESNET_TAGS", "TRANSFORMER_TAGS", "Bottleneck", "ResNet", "Transformer"]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, with a shortcut that averages and projects where the shape changes (ResNet-D)."""

    def __init__(self, cin: int, mid: int, cout: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, mid, 1, bias=False), nn.BatchNorm2d(mid)
        self.conv2, self.bn2 = nn.Conv2d(mid, mid, 3, stride, 1, bias=False), nn.BatchNorm2d(mid)
        self.conv3, self.bn3 = nn.Conv2d(mid, cout, 1, bias=False), nn.BatchNorm2d(cout)
        self.down = None if cin == cout and stride == 1 else nn.Sequential(
            nn.AvgPool2d(stride, stride, ceil_mode=True), nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.down is None else self.down(x)))


class ResNet(nn.Module):
    """A ResNet-50-D; without arguments as large as OFA-ResNet50 is at its largest."""

    def __init__(self, widths: tuple[int, ...] = (256, 512, 1024, 2048), blocks: tuple[int, ...] = (4, 4, 6, 4),
                 stem: int = 64, ratio: float = 0.35, classes: int = 1000):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(),
                                  nn.MaxPool2d(3, 2, 1))
        cin = stem
        for s, (cout, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = nn.Sequential()
            for b in range(count):
                stage.append(Bottleneck(cin, round(cout * ratio / 8) * 8, cout, 2 if s and not b else 1))
                cin = cout
            setattr(self, f"layer{s + 1}", stage)
        self.stages = len(widths)
        self.fc = nn.Linear(cin, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


RESNET_TAGS = Tags(stages={f"layer{s}": ("conv1", "conv2") for s in range(1, 5)})


class TransformerBlock(nn.Module):
    """Attention and a feed-forward part, each with layer norm and a residual."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)
        self.up, self.down = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """An encoder over token numbers [N, L] with one answer."""

    def __init__(self, words: int = 1000, size: int = 64, heads: int = 8, blocks: int = 6, classes: int = 3):
        super().__init__()
        self.words = nn.Embedding(words, size)
        self.places = nn.Parameter(torch.randn(1, 128, size) * 0.02)
        self.blocks = nn.Sequential(*(TransformerBlock(size, heads) for _ in range(blocks)))
        self.answer = nn.Linear(size, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.answer(self.blocks(self.words(x) + self.places[:, :x.shape[1]]).mean(1))
        return out


TRANSFORMER_TAGS = Tags(stages={"blocks": ("attention", "up")}, every_other=True)
