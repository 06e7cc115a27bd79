"""Batch-norm statistics per SubNet: without them a SubNet's accuracy falls to chance (SuperServe's SubnetNorm)."""

from __future__ import annotations

import torch
from torch import Tensor

from nigiri.supernet.data import normalise
from nigiri.supernet.model import SuperNet
from nigiri.supernet.space import SubNetConfig

__all__ = ["Stats", "evaluate", "running_statistics"]

Stats = dict[str, tuple[Tensor, Tensor]]


@torch.no_grad()
def running_statistics(net: SuperNet, config: SubNetConfig, images: Tensor, batch: int = 250) -> Stats:
    """Mean and variance of every layer's convolution output, averaged over `images` (uint8 [N, 3, H, W])."""
    collected: dict[str, list] = {}
    for chunk in images.split(batch):
        net(normalise(chunk), config, collected, collect=True)
    return {
        name: (torch.stack([m for m, _ in pairs]).mean(0), torch.stack([v for _, v in pairs]).mean(0))
        for name, pairs in collected.items()
    }


@torch.no_grad()
def evaluate(
    net: SuperNet, config: SubNetConfig, stats: Stats, images: Tensor, labels: Tensor, batch: int = 500
) -> float:
    """Top-1 accuracy in percent of the float SubNet."""
    hits = sum(
        int((net(normalise(x), config, stats).argmax(1) == y).sum())
        for x, y in zip(images.split(batch), labels.split(batch), strict=True)
    )
    return 100.0 * hits / len(labels)
