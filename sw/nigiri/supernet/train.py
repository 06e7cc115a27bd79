"""Train a SuperNet on CIFAR-10: sandwich rule with in-place distillation (BigNAS, Yu et al., ECCV 2020).

Each step sums the gradients of the largest SubNet on the labels and of the smallest and random SubNets on the
largest one's soft outputs.  What is saved as weights and evaluated is the exponential average of the weights over steps
(Polyak averaging).  Resumable: the checkpoint holds everything, random states included.  Started by
``torchrun --nproc-per-node N``, each process takes every Nth image of a batch (batch normalisation sees its own
part) and gradients are averaged once a step, which uses N cores better than N threads do.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
import typer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nigiri.supernet.calibrate import evaluate, running_statistics
from nigiri.supernet.data import augment, load_split, normalise
from nigiri.supernet.model import ElasticConv, SuperNet
from nigiri.supernet.space import CIFAR
from nigiri.supernet.weights import load_weights, save_weights

__all__ = ["train"]


def load_cached(folder: Path, cache: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [N, 3, H, W] and labels int64 [N]; decoded once into `cache`."""
    path = cache / f"cifar10_{split}.npz"
    if not path.exists():
        images, labels = load_split(folder, split)
        np.savez(path, images=images, labels=labels)
    z = np.load(path, allow_pickle=False)
    return torch.from_numpy(z["images"]).permute(0, 3, 1, 2), torch.from_numpy(z["labels"]).long()


def learning_rate(progress: float, peak: float, warmup: float = 0.15) -> float:
    """Linear up to `peak`, then linear down to zero; `progress` in [0, 1]."""
    return peak * (progress / warmup if progress < warmup else (1 - progress) / (1 - warmup))


def average_gradients(net: torch.nn.Module, world: int) -> None:
    """Replaces every gradient by its mean over the `world` processes; parts that no process used stay without."""
    params = [p for p in net.parameters() if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in params])
    dist.all_reduce(flat)
    flat /= world
    for p, part in zip(params, flat.split([p.numel() for p in params]), strict=True):
        p.grad = part.view_as(p)


def train(
    data: Path,
    out: Path,
    epochs: int,
    batch: int,
    peak: float,
    decay: float,
    randoms: int,
    students: int,
    hole: int,
    threads: int,
    seed: int,
    fast: bool,
    init: Path | None = None,
    first: int = 0,
    average: float = 0.999,
) -> None:
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        dist.init_process_group("gloo")
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    images, labels = load_cached(data, out, "train")
    test_images, test_labels = load_cached(data, out, "test")
    net = SuperNet(CIFAR).to(memory_format=torch.channels_last)
    ElasticConv.fast = fast
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    opt = torch.optim.SGD(groups, lr=peak, momentum=0.9, nesterov=True)
    rng, gen = random.Random(seed), torch.Generator().manual_seed(seed)
    steps = len(labels) // batch
    if init is not None:
        load_weights(net, init)
    # The optimiser follows `net`, everything that is kept comes from `mean`.
    mean = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(average))
    rng.seed(seed + first)
    state, log = out / "checkpoint.pt", out / "log.jsonl"
    if state.exists():
        saved = torch.load(state, weights_only=True)
        net.load_state_dict(saved["net"])
        mean.load_state_dict(saved["mean"])
        opt.load_state_dict(saved["opt"])
        gen.set_state(saved["gen"])
        first = saved["epoch"]
        rng.seed(seed + first)
    print(f"seed {seed}, {steps} steps an epoch, from epoch {first} of {epochs}", file=sys.stderr)
    big, small = CIFAR.largest(), CIFAR.smallest()
    for epoch in range(first, epochs):
        began, total, right = time.time(), 0.0, 0
        order = torch.randperm(len(labels), generator=gen)
        for step in range(steps):
            for group in opt.param_groups:
                group["lr"] = learning_rate((epoch + step / steps) / epochs, peak)
            pick = order[step * batch + rank : (step + 1) * batch : world]
            x, y = normalise(augment(images[pick], gen, hole=hole)), labels[pick]
            opt.zero_grad(set_to_none=True)
            logits = net(x, big)
            loss = F.cross_entropy(logits, y)
            loss.backward()
            soft = logits.detach().softmax(1)
            for n, config in enumerate([small] + [CIFAR.sample(rng) for _ in range(randoms)]):
                part = slice((step + n) % students, None, students)
                F.cross_entropy(net(x[part], config), soft[part]).backward()
            if world > 1:
                average_gradients(net, world)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            opt.step()
            mean.update_parameters(net)
            total += loss.item()
            right += int((logits.argmax(1) == y).sum())
            if rank == 0 and step % 50 == 0:
                print(
                    f"epoch {epoch} step {step} loss {loss.item():.3f} {time.time() - began:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
        rng.seed(seed + epoch + 1)
        if rank > 0:
            continue
        save_weights(mean.module, out / "weights.npz")
        parts = {"net": net, "mean": mean, "opt": opt}
        saved = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**saved, "gen": gen.get_state(), "epoch": epoch + 1}, state)
        row = {
            "epoch": epoch + 1,
            "epochs": epochs,
            "hole": hole,
            "peak": peak,
            "average": average,
            "loss": round(total / steps, 4),
            "train_accuracy": round(100 * right / (steps * len(pick)), 2),
            "seconds": round(time.time() - began, 1),
        }
        if (epoch + 1) % 2 == 0 or epoch + 1 == epochs:
            for name, config in (("min", small), ("max", big)):
                stats = running_statistics(mean.module, config, images[torch.arange(0, len(labels), 50)])
                row[f"test_{name}"] = round(evaluate(mean.module, config, stats, test_images, test_labels), 2)
        with log.open("a") as f:
            f.write(json.dumps(row) + "\n")
        print(row, file=sys.stderr, flush=True)


def main(
    data: Annotated[Path, typer.Option(help="folder with cifar10_train.npz and cifar10_test.npz")],
    out: Annotated[Path, typer.Option(help="where checkpoint.pt and log.jsonl go")],
    epochs: int = 24,
    batch: int = 128,
    peak: float = 0.1,
    decay: float = 5e-4,
    randoms: int = 1,
    students: int = 2,
    hole: int = 8,
    threads: int = 2,
    seed: int = 1,
    fast: bool = True,
    init: Annotated[Path | None, typer.Option(help="start from these float weights (.npz)")] = None,
    first: Annotated[int, typer.Option(help="epoch of the schedule to start at")] = 0,
    average: Annotated[float, typer.Option(help="what the averaged weights keep at each step")] = 0.999,
) -> None:
    """Train the shipped CIFAR-10 SuperNet; each student sees one in `students` images of a batch."""
    train(data, out, epochs, batch, peak, decay, randoms, students, hole, threads, seed, fast, init, first, average)


if __name__ == "__main__":
    typer.run(main)
