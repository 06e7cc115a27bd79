"""One step of the sandwich rule with in-place distillation (BigNAS, Yu et al., ECCV 2020).

The largest SubNet learns the labels, the smallest and some random ones learn what the largest says; all gradients add
up.  On a GPU the small layers of such networks take less time than their launches, so a pass can be recorded once per
SubNet and replayed (CUDA graphs).
"""
from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from nigiri.supernet.model import ElasticConv, SuperNet
from nigiri.supernet.recipe import BadRecipe, Recipe
from nigiri.supernet.space import Space, SubNetConfig

__all__ = ["Sandwich"]

HALF = {"cpu": None, "cuda": torch.bfloat16}
"""What convolutions compute with, by device; None: float32."""


class Sandwich:
    """Adds the gradients of one batch; the optimiser is the caller's.

    Parameters
    ----------
    graphs: record every pass and replay it: CUDA only, `recipe.pool` random SubNets, a fixed batch.
    """

    def __init__(self, net: SuperNet, recipe: Recipe, graphs: bool = False):
        self.net, self.recipe = net, recipe
        self.device = next(net.parameters()).device
        if graphs and (self.device.type != "cuda" or not recipe.pool):
            raise BadRecipe("CUDA graphs need a GPU and a pool of random SubNets: set pool, or train without graphs")
        self.graphs = graphs
        self._recorded: dict[SubNetConfig, Callable[[], None]] = {}
        self._static: dict[str, Tensor] = {}
        self.restrict(net.space)

    def restrict(self, space: Space, quantised: bool = False) -> None:
        """From now on SubNets come from `space`, a part of the network's, and every pass rounds if `quantised`."""
        rng = random.Random(self.recipe.seed)
        self.space, self.big, self.small = space, space.largest(), space.smallest()
        self.pool = [space.sample(rng) for _ in range(self.recipe.pool)]
        for module in self.net.modules():
            if isinstance(module, ElasticConv):
                module.quantised = quantised
        self._recorded.clear()
        self._static.clear()
        # The memory of recordings that are gone cannot take new ones.
        self._memory = torch.cuda.graph_pool_handle() if self.graphs else None

    def sample(self, rng: random.Random) -> SubNetConfig:
        """A random SubNet of the pool, or of the whole space without one."""
        return rng.choice(self.pool) if self.pool else self.space.sample(rng)

    def step(self, x: Tensor, y: Tensor, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Adds the gradients for images `x` (normalised [N, C, H, W]) and classes `y` [N] to every parameter's.

        Returns (loss, number of right answers) of the largest SubNet as tensors on the device: nothing waits for it.
        """
        others = [self.small] + [self.sample(rng) for _ in range(self.recipe.randoms)]
        if self.small == self.big:            # a phase with one SubNet has nobody to teach
            others = []
        shift = rng.randrange(self.recipe.students)
        if not self.graphs:
            loss, soft = self._teacher(x, y)
            for n, config in enumerate(others):
                part = slice((shift + n) % self.recipe.students, None, self.recipe.students)
                self._student(config, x[part], soft[part])
            return loss, (soft.argmax(1) == y).sum()
        if not self._static:
            self._static = {"x": x.clone(), "y": y.clone()}
            self._recorded[self.big] = self._record(self._record_teacher)
        self._static["x"].copy_(x)
        self._static["y"].copy_(y)
        self._recorded[self.big]()
        for config in others:
            if config not in self._recorded:
                kept = [(p.grad, p.grad.clone()) for p in self.net.parameters() if p.grad is not None]
                self._recorded[config] = self._record(partial(self._record_student, config))
                for grad, before in kept:
                    grad.copy_(before)        # recording runs the pass, which adds to the gradients
            self._recorded[config]()
        return self._static["loss"].clone(), self._static["right"].clone()

    def _forward(self, x: Tensor, config: SubNetConfig) -> Tensor:
        half = HALF.get(self.device.type)
        with torch.autocast(self.device.type, dtype=half, enabled=half is not None, cache_enabled=False):
            return self.net(x, config).float()

    def _teacher(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._forward(x, self.big)
        loss = F.cross_entropy(logits, y, label_smoothing=self.recipe.smooth)
        loss.backward()
        return loss.detach(), logits.detach().softmax(1)

    def _student(self, config: SubNetConfig, x: Tensor, soft: Tensor) -> None:
        F.cross_entropy(self._forward(x, config), soft).backward()

    def _record_teacher(self) -> None:
        s = self._static
        loss, soft = self._teacher(s["x"], s["y"])
        s |= {"loss": loss, "soft": soft, "right": (soft.argmax(1) == s["y"]).sum()}

    def _record_student(self, config: SubNetConfig) -> None:
        # A recorded pass has fixed addresses, so a student always sees the same share of the batch; images are
        # shuffled, so that this is as good as another share.
        k = self.recipe.students
        self._student(config, self._static["x"][::k], self._static["soft"][::k])

    def _record(self, run: Callable[[], None]) -> Callable[[], None]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        before = [p.grad is None for p in self.net.parameters()]
        with torch.cuda.stream(side):
            run()
            run()
        torch.cuda.current_stream().wait_stream(side)
        for p, none in zip(self.net.parameters(), before, strict=True):
            if none and p.grad is not None:
                p.grad.zero_()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory):
            run()
        replay: Callable[[], None] = graph.replay
        return replay
