"""Mean of several trained weights: stochastic weight averaging over the ends of learning rate cycles.

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.  Batch-norm statistics
belong to a SubNet and are computed afterwards (:mod:`nigiri.supernet.calibrate`), as for any weights.
"""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from nigiri.supernet.model import SuperNet
from nigiri.supernet.space import CIFAR
from nigiri.supernet.weights import load_weights, save_weights

__all__ = ["average"]


def average(sources: list[Path], out: Path) -> None:
    """Write the mean of the weights in `sources` (.npz) to `out`.

    Raises
    ------
    ValueError: a file is not of the CIFAR-10 SuperNet, or there is none.
    """
    if not sources:
        raise ValueError("there are no weights to average: name at least one .npz file")
    mean, one = SuperNet(CIFAR), SuperNet(CIFAR)
    with torch.no_grad():
        for n, source in enumerate(sources):
            load_weights(one, source)
            for p, q in zip(mean.parameters(), one.parameters(), strict=True):
                p.copy_(q if n == 0 else p + (q - p) / (n + 1))
    save_weights(mean, out)


def main(
    sources: Annotated[list[Path], typer.Argument(help="float weights (.npz) from the ends of training cycles")],
    out: Annotated[Path, typer.Option(help="where the mean goes")],
) -> None:
    """Average float weights of the shipped SuperNet."""
    average(sources, out)


if __name__ == "__main__":
    typer.run(main)
