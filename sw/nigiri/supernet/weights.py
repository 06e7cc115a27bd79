"""Float weights of a SuperNet as a plain array archive: half precision, no pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from nigiri.supernet.model import SuperNet

__all__ = ["load_weights", "save_weights"]


def save_weights(net: SuperNet, path: Path) -> None:
    """Write every parameter of `net` as float16, compressed, into the .npz file `path`."""
    values = {name: p.detach().cpu().numpy().astype(np.float16) for name, p in net.named_parameters()}
    np.savez_compressed(path, **values)


def load_weights(net: SuperNet, path: Path) -> None:
    """Fill `net` from a file of :func:`save_weights`; ValueError names what does not belong to this SuperNet."""
    with np.load(path, allow_pickle=False) as stored:
        wanted = dict(net.named_parameters())
        odd = sorted(set(stored.files) ^ set(wanted))
        if odd:
            raise ValueError(f"{path.name} is not of this SuperNet: {odd[0]!r} is missing on one side")
        with torch.no_grad():
            for name, p in wanted.items():
                if stored[name].shape != tuple(p.shape):
                    raise ValueError(f"{path.name}: {name} has shape {stored[name].shape}, not {tuple(p.shape)}")
                p.copy_(torch.from_numpy(stored[name].astype(np.float32)))
