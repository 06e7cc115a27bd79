"""CIFAR-10 (JPEG) as uint8 arrays, and the augmentation used in training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["MEAN", "STD", "augment", "load_split", "normalise"]

MEAN = (125.3, 123.0, 113.9)
STD = (63.0, 62.1, 66.7)


def load_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 32, 32, 3] and labels uint8 [N] of `split` ("train" or "test")."""
    from PIL import Image

    z = np.load(Path(folder) / f"cifar10_{split}.npz", allow_pickle=False)
    jpeg, at = z["jpeg"], z["offsets"]
    images = np.stack(
        [
            np.asarray(Image.open(io.BytesIO(jpeg[at[i] : at[i + 1]].tobytes())).convert("RGB"))
            for i in range(len(at) - 1)
        ]
    )
    return images, z["labels"]


def normalise(images: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] -> float32, zero mean and unit variance per colour, channels last."""
    x = (images.float() - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    return x.contiguous(memory_format=torch.channels_last)


def augment(images: Tensor, generator: torch.Generator, pad: int = 4, hole: int = 8) -> Tensor:
    """Random crop after reflecting `pad` pixels, horizontal flip and one grey square; uint8 [N, 3, H, W] to same."""
    n, _, h, w = images.shape
    big = torch.nn.functional.pad(images.float(), [pad] * 4, mode="reflect").to(torch.uint8)
    dy, dx = torch.randint(0, 2 * pad + 1, (2, n), generator=generator)
    flip = torch.rand(n, generator=generator) < 0.5
    rows = dy[:, None] + torch.arange(h)
    cols = dx[:, None] + torch.where(flip[:, None], torch.arange(w - 1, -1, -1), torch.arange(w))
    out = big[torch.arange(n)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)
    cy, cx = torch.randint(0, h, (2, n), generator=generator)
    y, x = torch.arange(h), torch.arange(w)
    inside = ((y - cy[:, None]).abs() < hole // 2)[:, :, None] & ((x - cx[:, None]).abs() < hole // 2)[:, None, :]
    return torch.where(inside[:, None], torch.tensor(120, dtype=torch.uint8), out)
