"""Two-phase against joint training of a SuperNet with two kinds of block, with the same number of steps.

joint: SubNets of the whole space from the first step.  two-phase: first those with convolution blocks only, then all
(two-phase incremental training, Zhao et al., H4H-NAS; the share of the first phase is ours).  Both leave out one in
ten training images, on which the search measures SubNets.
"""
from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from nigiri.hybrid.model import HybridNet
from nigiri.hybrid.space import ATTENTION, HYBRID, HybridConfig
from nigiri.supernet.calibrate import evaluate, running_statistics
from nigiri.supernet.phases import Phase
from nigiri.supernet.recipe import BadRecipe, Recipe
from nigiri.supernet.train import Training, load_cached
from nigiri.supernet.weights import save_weights

__all__ = ["HELD", "SCHEMES", "phases_of", "samples", "study"]

HELD = 10
"""One in so many training images is kept for the search."""
SCHEMES = ("joint", "two-phase")


def phases_of(scheme: str, epochs: int, share: float) -> list[Phase]:
    """What is trained when; `share`: of the epochs in the first of two phases."""
    if scheme not in SCHEMES:
        raise BadRecipe(f"unknown training scheme {scheme!r}: choose one of {', '.join(SCHEMES)}")
    first = round(epochs * share) if scheme == "two-phase" else 0
    out = [Phase(0, first, HYBRID.without_attention())] if first else []
    return [*out, Phase(first, epochs, HYBRID)]


def samples(seed: int, convolution: int, hybrid: int) -> dict[str, HybridConfig]:
    """SubNets to measure: the ends of the space, and some without and with attention, the same for every scheme."""
    rng = random.Random(seed)
    plain = HYBRID.without_attention()
    found = [HYBRID.smallest(), HYBRID.largest(), plain.largest()]
    while len(found) < 3 + convolution:
        found += [c for c in [HYBRID.canonical(plain.sample(rng))] if c not in found]
    while len(found) < 3 + convolution + hybrid:
        found += [c for c in [HYBRID.canonical(HYBRID.sample(rng))] if ATTENTION in c.kinds and c not in found]
    return {f"n{n}": c for n, c in enumerate(found)}


def study(training: Training, images: Tensor, tests: dict[str, tuple[Tensor, Tensor]],
          configs: dict[str, HybridConfig]) -> list[dict[str, Any]]:
    """Accuracy in percent of float SubNets on every set of `tests`, with statistics of 1,000 of `images`."""
    rows = []
    for name, config in configs.items():
        stats = running_statistics(training.mean.module, config, images[::max(1, len(images) // 1000)], batch=500)
        macs, weights = HYBRID.cost(config)
        rows.append({"name": name, **asdict(config), "macs": macs, "weights": weights,
                     **{key: round(evaluate(training.mean.module, config, stats, *data, batch=1000), 2)
                        for key, data in tests.items()}})
    return rows


def main(data: Annotated[Path, typer.Option(help="folder with cifar10_train.npz and cifar10_test.npz")],
         out: Annotated[Path, typer.Option(help="where weights.npz and study.json go")],
         scheme: Annotated[str, typer.Option(help="joint or two-phase")] = "two-phase", epochs: int = 60,
         batch: int = 256, peak: float = 0.2, pool: int = 48, randoms: int = 2, hole: int = 8,
         share: Annotated[float, typer.Option(help="of the epochs in the first phase")] = 0.4, seed: int = 1,
         device: str = "cpu", graphs: bool = False, threads: int = 2,
         convolution: Annotated[int, typer.Option(help="SubNets without attention to measure")] = 40,
         hybrid: Annotated[int, typer.Option(help="SubNets with attention to measure")] = 80) -> None:
    """Train the hybrid SuperNet by one scheme and measure SubNets of it."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = device == "cuda"
    recipe = Recipe(epochs=epochs, batch=batch, peak=peak, pool=pool, randoms=randoms, hole=hole, seed=seed,
                    plain=max(1, epochs // 10))
    out.mkdir(parents=True, exist_ok=True)
    run = Training(recipe, torch.device(device), graphs=graphs, net=HybridNet(HYBRID),
                   phases=phases_of(scheme, epochs, share))
    images, labels = load_cached(data, data, "train", run.device)
    kept = torch.arange(len(labels), device=run.device) % HELD != 0
    tests = {"test": load_cached(data, data, "test", run.device), "held": (images[~kept], labels[~kept])}
    images, labels = images[kept], labels[kept]
    began = time.time()
    log = []
    while run.epoch < epochs:
        loss, accuracy = run.one_epoch(images, labels)
        log.append({"epoch": run.epoch, "loss": round(loss, 4), "train": round(accuracy, 2),
                    "seconds": round(time.time() - began, 1)})
        print(scheme, seed, log[-1], file=sys.stderr, flush=True)
    save_weights(run.mean.module, out / "weights.npz")
    torch.backends.cudnn.benchmark = False          # every SubNet has shapes of its own, and is measured once
    rows = study(run, images, tests, samples(7, convolution, hybrid))
    (out / "study.json").write_text(json.dumps({
        "scheme": scheme, "share": share if scheme == "two-phase" else 0.0, "recipe": asdict(recipe),
        "images": len(labels), "steps": epochs * (len(labels) // batch),
        "seconds": round(time.time() - began, 1), "log": log, "subnets": rows}))


if __name__ == "__main__":
    typer.run(main)
