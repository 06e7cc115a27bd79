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
GREY = 120
"""Value of the pixels under a grey square."""


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
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def augment(images: Tensor, generator: torch.Generator, pad: int = 4, hole: int = 8) -> Tensor:
    """Random crop after reflecting `pad` pixels, horizontal flip and one grey square; uint8 [N, 3, H, W] to same.

    `generator` lives on the images' device.
    """
    n, _, h, w = images.shape
    on = images.device

    def draw(high: int, rows: int = 2) -> Tensor:
        return torch.randint(0, high, (rows, n), generator=generator, device=on)

    big = torch.nn.functional.pad(images.float(), [pad] * 4, mode="reflect").to(torch.uint8)
    dy, dx = draw(2 * pad + 1)
    flip = torch.rand(n, generator=generator, device=on) < 0.5
    rows = dy[:, None] + torch.arange(h, device=on)
    across = torch.arange(w, device=on)
    cols = dx[:, None] + torch.where(flip[:, None], across.flip(0), across)
    out = big[torch.arange(n, device=on)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)
    cy, cx = draw(h)
    y, x = torch.arange(h, device=on), torch.arange(w, device=on)
    inside = ((y - cy[:, None]).abs() < hole // 2)[:, :, None] & ((x - cx[:, None]).abs() < hole // 2)[:, None, :]
    return out.masked_fill(inside[:, None], GREY)
