"""Train a SuperNet on CIFAR-10 by the sandwich rule (:mod:`nigiri.supernet.sandwich`), on CPU or GPU.

What is saved as weights and evaluated is the exponential average of the weights over steps (Polyak averaging).
Resumable: the checkpoint holds everything, random states included.  Started by ``torchrun --nproc-per-node N`` on a
CPU, each process takes every Nth image of a batch (batch normalisation sees its own part) and gradients are averaged
once a step, which uses N cores better than N threads do.
"""
from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.distributed as dist
import typer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nigiri.supernet.calibrate import evaluate, running_statistics
from nigiri.supernet.data import augment, load_split, normalise
from nigiri.supernet.model import ElasticConv, SuperNet
from nigiri.supernet.phases import Phase, schedule
from nigiri.supernet.recipe import Recipe
from nigiri.supernet.sandwich import Sandwich
from nigiri.supernet.space import CIFAR
from nigiri.supernet.weights import load_weights, save_weights

__all__ = ["Training", "train"]


def load_cached(folder: Path, cache: Path, split: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 3, H, W] and labels int64 [N] on `device`; decoded once into `cache`."""
    path = cache / f"cifar10_{split}.npz"
    if not path.exists():
        images, labels = load_split(folder, split)
        np.savez(path, images=images, labels=labels)
    with np.load(path, allow_pickle=False) as z:
        return (torch.from_numpy(z["images"]).permute(0, 3, 1, 2).contiguous().to(device),
                torch.from_numpy(z["labels"]).long().to(device))


def average_gradients(net: torch.nn.Module, world: int) -> None:
    """Replaces every gradient by its mean over the `world` processes; parts that no process used stay without."""
    params = [p for p in net.parameters() if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in params])
    dist.all_reduce(flat)
    flat /= world
    for p, part in zip(params, flat.split([p.numel() for p in params]), strict=True):
        p.grad = part.view_as(p)


class Training:
    """The state of a run: network, averaged network, optimiser, random generators."""

    def __init__(self, recipe: Recipe, device: torch.device, *, graphs: bool = False, init: Path | None = None,
                 first: int = 0, net: SuperNet | None = None, phases: list[Phase] | None = None):
        """init: float weights (.npz) to start from.  first: epoch of the schedule to start at.  net, phases: another
        SuperNet than the shipped one, and the spaces that it is trained with."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.epoch = recipe, device, first
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.net = net or SuperNet(CIFAR)
        if init is not None:
            load_weights(self.net, init)
        self.net = self.net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = [{"params": [p for p in self.net.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
                  {"params": [p for p in self.net.parameters() if p.ndim == 1], "weight_decay": 0.0}]
        self.opt = torch.optim.SGD(groups, lr=recipe.peak, momentum=0.9, nesterov=True)
        # The optimiser follows `net`, everything that is kept comes from `mean`.
        self.mean = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        self.sandwich = Sandwich(self.net, recipe, graphs)
        self.schedule = phases or schedule(CIFAR, recipe)
        self._now = (self.net.space, False)
        self.rng = random.Random(recipe.seed + first)
        self.generator = torch.Generator(device).manual_seed(recipe.seed)

    def save(self, path: Path) -> None:
        parts: dict[str, Any] = {"net": self.net, "mean": self.mean, "opt": self.opt}
        torch.save({name: part.state_dict() for name, part in parts.items()}
                   | {"gen": self.generator.get_state(), "epoch": self.epoch}, path)

    def resume(self, path: Path) -> None:
        saved = torch.load(path, weights_only=True, map_location=self.device)
        self.net.load_state_dict(saved["net"])
        self.mean.load_state_dict(saved["mean"])
        self.opt.load_state_dict(saved["opt"])
        self.generator.set_state(saved["gen"].cpu())
        self.epoch = saved["epoch"]
        self.rng.seed(self.recipe.seed + self.epoch)

    def one_epoch(self, images: Tensor, labels: Tensor, progress: Any = lambda step, steps, loss: None
                  ) -> tuple[float, float]:
        """(mean loss, accuracy in percent) of the largest SubNet over one pass through `images`."""
        r, steps = self.recipe, len(labels) // self.recipe.batch
        phase = next(p for p in self.schedule if p.first <= self.epoch < p.last)
        if (phase.space, r.rounds_at(self.epoch)) != self._now:
            self._now = (phase.space, r.rounds_at(self.epoch))
            self.sandwich.restrict(*self._now)
        order = torch.randperm(len(labels), generator=self.generator, device=self.device)
        total, right = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        hole, seen = r.hole_at(self.epoch), 0
        for step in range(steps):
            for group in self.opt.param_groups:
                group["lr"] = r.learning_rate((self.epoch + step / steps) / r.epochs)
            pick = order[step * r.batch + self.rank:(step + 1) * r.batch:self.world]
            x, y = normalise(augment(images[pick], self.generator, hole=hole)), labels[pick]
            self.opt.zero_grad(set_to_none=not self.sandwich.graphs)
            loss, hits = self.sandwich.step(x, y, self.rng)
            if self.world > 1:
                average_gradients(self.net, self.world)
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.opt.step()
            self.mean.update_parameters(self.net)
            total, right, seen = total + loss, right + hits, seen + len(pick)
            progress(step, steps, loss)
        self.epoch += 1
        self.rng.seed(r.seed + self.epoch)
        return float(total) / steps, 100 * float(right) / seen

    def test(self, images: Tensor, test_images: Tensor, test_labels: Tensor) -> dict[str, float]:
        """Accuracy in percent of the smallest and the largest SubNet with the averaged weights."""
        out = {}
        for name, config in (("min", CIFAR.smallest()), ("max", CIFAR.largest())):
            stats = running_statistics(self.mean.module, config, images[::50])
            out[f"test_{name}"] = round(evaluate(self.mean.module, config, stats, test_images, test_labels), 2)
        return out


def train(data: Path, out: Path, recipe: Recipe, *, device: str = "cpu", graphs: bool = False, fast: bool = True,
          threads: int = 2, init: Path | None = None, first: int = 0, every: int = 2) -> None:
    """Runs the whole schedule; goes on from `out`/checkpoint.pt if that exists, writes a line per epoch to log.jsonl.

    fast: fused kernels on a CPU.  every: epochs between tests and checkpoints.
    """
    ElasticConv.fast = fast and device == "cpu"
    torch.set_num_threads(threads)
    # Shapes repeat, so trying out kernels pays.
    torch.backends.cudnn.benchmark = device == "cuda"
    run = Training(recipe, torch.device(device), graphs=graphs, init=init, first=first)
    if run.world > 1:
        dist.init_process_group("gloo")
    out.mkdir(parents=True, exist_ok=True)
    images, labels = load_cached(data, out, "train", run.device)
    tests = load_cached(data, out, "test", run.device)
    state, log = out / "checkpoint.pt", out / "log.jsonl"
    if state.exists():
        run.resume(state)
    print(f"seed {recipe.seed}, {len(labels) // recipe.batch} steps an epoch, from epoch {run.epoch} of "
          f"{recipe.epochs}", file=sys.stderr)
    while run.epoch < recipe.epochs:
        began = time.time()

        def progress(step: int, steps: int, loss: Tensor, began: float = began) -> None:
            if run.rank == 0 and step % 50 == 0:
                print(f"epoch {run.epoch} step {step} of {steps} loss {float(loss):.3f} {time.time() - began:.1f} s",
                      file=sys.stderr, flush=True)

        loss, accuracy = run.one_epoch(images, labels, progress)
        if run.rank > 0:
            continue
        row: dict[str, Any] = {"epoch": run.epoch, "loss": round(loss, 4), "train_accuracy": round(accuracy, 2),
                               "seconds": round(time.time() - began, 2)}
        if run.epoch % every == 0 or run.epoch == recipe.epochs:
            row |= run.test(images, *tests)
            save_weights(run.mean.module, out / "weights.npz")
            run.save(state)
        if run.epoch == first + 1:
            row["recipe"] = asdict(recipe)
        with log.open("a") as f:
            f.write(json.dumps(row) + "\n")
        print(row, file=sys.stderr, flush=True)


def main(
    data: Annotated[Path, typer.Option(help="folder with cifar10_train.npz and cifar10_test.npz")],
    out: Annotated[Path, typer.Option(help="where checkpoint.pt, weights.npz and log.jsonl go")],
    epochs: int = 24,
    batch: int = 128,
    peak: Annotated[float, typer.Option(help="highest learning rate")] = 0.1,
    warmup: float = 0.15,
    decay: float = 5e-4,
    randoms: Annotated[int, typer.Option(help="random SubNets a step")] = 1,
    students: Annotated[int, typer.Option(help="each sees one in so many images")] = 2,
    hole: Annotated[int, typer.Option(help="side of the grey square")] = 8,
    plain: Annotated[int, typer.Option(help="last epochs without it")] = 0,
    smooth: Annotated[float, typer.Option(help="label smoothing")] = 0.0,
    average: Annotated[float, typer.Option(help="what the averaged weights keep at each step")] = 0.999,
    pool: Annotated[int, typer.Option(help="random SubNets to draw from, 0: all")] = 0,
    phases: Annotated[str, typer.Option(help="sandwich, progressive or incremental")] = "sandwich",
    quantised: Annotated[int, typer.Option(help="last epochs that train for integers")] = 0,
    seed: int = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    graphs: Annotated[bool, typer.Option(help="record passes as CUDA graphs; needs --pool")] = False,
    fast: Annotated[bool, typer.Option(help="fused kernels on a CPU")] = True,
    threads: int = 2,
    init: Annotated[Path | None, typer.Option(help="start from these float weights (.npz)")] = None,
    first: Annotated[int, typer.Option(help="epoch of the schedule to start at")] = 0,
    every: Annotated[int, typer.Option(help="epochs between checkpoints")] = 2,
) -> None:
    """Train the shipped CIFAR-10 SuperNet."""
    recipe = Recipe(epochs=epochs, batch=batch, peak=peak, warmup=warmup, decay=decay, randoms=randoms,
                    students=students, hole=hole, plain=plain, smooth=smooth, average=average, pool=pool, phases=phases,
                    quantised=quantised, seed=seed)
    train(data, out, recipe, device=device, graphs=graphs, fast=fast, threads=threads, init=init, first=first,
          every=every)


if __name__ == "__main__":
    typer.run(main)
