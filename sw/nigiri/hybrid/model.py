"""The weight-shared network with convolution and attention blocks in PyTorch.

Batch normalisation takes the place of layer normalisation: the integer network has it for nothing, in the
requantisation parameters.  Queries, keys and values have no bias of their own beyond it.
"""
from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.hybrid.space import HybridConfig, HybridSpace
from nigiri.supernet.model import ElasticConv, SuperNet
from nigiri.supernet.space import Block, SubNetConfig

__all__ = ["HybridNet", "attend"]

Tap = Callable[[str, Tensor], None]
"""Sees every tensor that the integer network has and that no layer's name alone tells."""


def attend(scores: Tensor, norm: str) -> Tensor:
    """Attention weights of scaled scores [..., tokens, tokens]."""
    return F.relu(scores) / scores.shape[-1] if norm == "relu" else scores.softmax(-1)


class HybridNet(SuperNet):
    """The elastic network of a :class:`~nigiri.hybrid.space.HybridSpace`; `forward(x, config)` runs one SubNet."""

    def __init__(self, space: HybridSpace):
        super().__init__(space)
        self.space: HybridSpace = space
        self.attention = nn.ModuleDict()
        for b in space.blocks:
            if not space.elastic(b):
                continue
            parts: dict[str, nn.Module] = {}
            for h in range(max(space.heads)):
                d = space.widths[b.stage]
                parts |= {f"{p}{h}": ElasticConv(b.cin, d, 1, relu=False) for p in "qkv"}
                parts[f"o{h}"] = ElasticConv(d, b.cin, 1, relu=False)
            mid = b.cin * max(b.expands)
            parts |= {"up": ElasticConv(b.cin, mid, 1), "down": ElasticConv(mid, b.cout, 1, relu=False)}
            for name, part in parts.items():
                if name[0] in "od":
                    nn.init.zeros_(part.gamma)  # type: ignore[arg-type]
            self.attention[b.name] = nn.ModuleDict(parts)

    def block_layers(self, n: int, b: Block, config: SubNetConfig) -> list[tuple[str, ElasticConv, int, int]]:
        """(name, module, output channels, kernel) of a block's layers with weights, in order."""
        mid, m = b.cin * config.expands[n], self.blocks[n]
        if not (isinstance(config, HybridConfig) and config.kinds[n]):
            return [(f"{b.name}.expand", m["expand"], mid, 1),  # type: ignore[index, list-item]
                    (f"{b.name}.dw", m["dw"], mid, config.kernels[n]),  # type: ignore[index, list-item]
                    (f"{b.name}.project", m["project"], b.cout, 1)]  # type: ignore[index, list-item]
        a, d = self.attention[b.name], self.space.widths[b.stage]
        out = [(f"{b.name}.{p}{h}", a[f"{p}{h}"], b.cin if p == "o" else d, 1)  # type: ignore[index]
               for h in range(config.heads[n]) for p in "qkvo"]
        return [*out, (f"{b.name}.up", a["up"], mid, 1), (f"{b.name}.down", a["down"], b.cout, 1)]  # type: ignore

    def layers(self, config: SubNetConfig) -> list[tuple[str, ElasticConv, int, int]]:
        s = self.space
        out = [("stem", self.stem, s.stem, 3), ("down", self.down, s.down, 3)]
        for n, b in s.active(config):
            out += self.block_layers(n, b, config)
        return [*out, ("head", self.head, s.head, 1)]

    def forward(self, x: Tensor, config: SubNetConfig, stats=None, collect: bool = False,
                tap: Tap = lambda name, value: None) -> Tensor:
        """Logits [N, classes]; see :class:`~nigiri.supernet.model.SuperNet` for `stats` and `collect`.

        tap: called with (name, value) of every tensor: layers by name ("<layer>.y" before a residual addition),
        "<block>.s" and a head's number for scores after the normaliser, ".r" before it, ".a" for weighted values.
        """
        def run(layer: tuple[str, ElasticConv, int, int], x: Tensor, stream: Tensor | None = None) -> Tensor:
            name, module, cout, kernel = layer
            kept = None if stats is None else stats.setdefault(name, []) if collect else stats[name]
            y = module(x, cout, kernel, kept)
            tap(name if stream is None else f"{name}.y", y)
            if stream is None:
                return y
            tap(name, stream + y)
            return stream + y

        first, second, *_, head = self.layers(config)
        x = run(second, run(first, x))
        for n, b in self.space.active(config):
            layers = self.block_layers(n, b, config)
            if isinstance(config, HybridConfig) and config.kinds[n]:
                entry = x
                for h in range(config.heads[n]):
                    q, k, v = (run(layer, entry) for layer in layers[4 * h:4 * h + 3])
                    x = run(layers[4 * h + 3], self._mix(f"{b.name}", h, q, k, v, config.norm, tap), x)
                x = run(layers[-1], run(layers[-2], x), x)
            else:
                y = run(layers[1], run(layers[0], x))
                x = run(layers[2], y, x) if b.residual else run(layers[2], y)
        x = run(head, x).mean((2, 3))
        tap("head.pool", x)
        x = self.fc(x)
        tap("fc", x)
        return x

    def _mix(self, block: str, head: int, q: Tensor, k: Tensor, v: Tensor, norm: str, tap: Tap) -> Tensor:
        """What a head makes of queries, keys and values [N, d, h, w]."""
        a, b, c = (t.flatten(2).transpose(1, 2) for t in (q, k, v))
        scores = a @ b.transpose(1, 2) / q.shape[1] ** 0.5
        tap(f"{block}.r{head}", scores)
        weights = attend(scores, norm)
        tap(f"{block}.s{head}", weights)
        out = (weights @ c).transpose(1, 2).reshape(v.shape)
        tap(f"{block}.a{head}", out)
        return out
