"""What the elastic networks share: running a SubNet, its batch-norm statistics, and the tensors it is made of."""
from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nigiri.supernet.choices import Elastic
from nigiri.supernet.ofa.errors import BadImages
from nigiri.supernet.ofa.layers import Depthwise, Run, Stats

__all__ = ["ElasticNet"]


class ElasticNet(nn.Module):
    """A SuperNet; `forward(x, config)` runs the SubNet `config`, reading slices of the shared tensors.

    x: float [N, 3, H, W], normalised.  Returns logits [N, classes].
    """

    name: str
    space: Elastic[Any]
    kernel_transform = True
    """Depthwise kernels below the largest pass through the learned matrices, as released checkpoints need; False for
    plain centre crops."""
    CHANNELS: ClassVar[int] = 3

    def _named(self) -> None:
        """Tell the layers their names; called once, when all exist."""
        for path, module in self.named_modules():
            if hasattr(module, "path"):
                module.path = path

    def body(self, x: Tensor, config: Any, run: Run) -> Tensor:
        """The layers of a checked configuration."""
        raise NotImplementedError

    def forward(self, x: Tensor, config: Any, stats: Stats | None = None) -> Tensor:
        """stats: those of :meth:`recalibrate` for this SubNet; None: the SuperNet's running statistics, which only fit
        the SubNet they were computed for.  In training mode without `stats`, each batch is normalised with its own.

        BadChoice: `config` is not in the SuperNet.  BadImages: `x` has another shape.  BadStatistics: `stats` are of
        another SubNet.
        """
        return self._pass(x, config, Run(stats=stats))

    def _pass(self, x: Tensor, config: Any, run: Run) -> Tensor:
        self.space.check(config)
        if x.dim() != 4 or x.shape[1] != self.CHANNELS or not x.is_floating_point() or not x.numel():
            raise BadImages(f"{self.name} takes float images of shape [N, {self.CHANNELS}, H, W], "
                            f"not {str(x.dtype).removeprefix('torch.')} {list(x.shape)}")
        return self.body(x, config, run)

    @torch.no_grad()
    def recalibrate(self, config: Any, images: Tensor, batch: int = 200) -> Stats:
        """Batch-norm statistics of one SubNet: means over the batches of `images` (normalised; 2000 of the training
        set in Once-for-All), each normalised with its own on the way.  The network is left as it is.

        The mean of the batches' variances, as in the official `set_running_statistics`.
        """
        seen: dict[str, list[tuple[Tensor, Tensor, int]]] = {}
        device = next(self.parameters()).device
        training = self.training
        self.eval()
        try:
            for part in images.split(batch):
                self._pass(part.to(device), config, Run(collect=seen))
        finally:
            self.train(training)
        total = len(images)
        return {path: (torch.stack([m * n for m, _, n in rows]).sum(0) / total,
                       torch.stack([v * n for _, v, n in rows]).sum(0) / total) for path, rows in seen.items()}

    @torch.no_grad()
    def tensors(self, config: Any, stats: Stats | None = None) -> dict[str, Tensor]:
        """Every tensor that the SubNet reads, cut to it, by its name in the state dict: views, except kernels that
        were transformed and `stats`."""
        used: dict[str, Tensor] = {}
        training = self.training
        self.eval()
        try:
            probe = torch.zeros(1, self.CHANNELS, 32, 32, device=next(self.parameters()).device)
            self._pass(probe, config, Run(stats=stats, used=used))
        finally:
            self.train(training)
        return used

    def convolution_weights(self, config: Any) -> int:
        """Weights in the SubNet's convolutions: bytes at int8.  The classifier and batch norm are not counted."""
        return sum(t.numel() for name, t in self.tensors(config).items() if t.dim() == 4)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Random convolutions (He initialisation; fan out, depthwise fan in); kernel matrices are the identity."""
        g = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.weight[0].numel() if module.groups > 1 else module.weight[:, 0].numel()
                module.weight.copy_(torch.randn(module.weight.shape, generator=g) * (2 / fan) ** 0.5)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, Depthwise):
                for _, matrix in module.named_parameters(recurse=False):
                    matrix.copy_(torch.eye(len(matrix)))
