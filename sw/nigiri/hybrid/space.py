"""Search space of networks with convolution and attention blocks (H4H-NAS, Zhao et al., ASP-DAC 2025).  No torch.

Every block that keeps its shape, in stages with few enough pixels, is either an inverted residual or attention with a
feed-forward part.  The heads of an attention block are branches of their own that are added to the stream one after the
other, so that fewer heads are a prefix, as fewer blocks are.  What the paper leaves open (its block menu, how heads are
elastic) is ours.
"""
from __future__ import annotations

import random
from dataclasses import dataclass, replace

from nigiri.supernet.space import CIFAR, Block, Space, SubNetConfig

__all__ = ["ATTENTION", "CONVOLUTION", "HYBRID", "NORMS", "HybridConfig", "HybridSpace"]

CONVOLUTION, ATTENTION = 0, 1
"""Kinds of block."""
NORMS = ("relu", "softmax")
"""What turns products of queries and keys into weights.  relu: max(s, 0) / tokens (Wortsman et al., 2023), which the
array computes; softmax: on the host, between two programs."""


@dataclass(frozen=True, kw_only=True)
class HybridConfig(SubNetConfig):
    """kinds, heads: per block of the SuperNet.  An attention block has `expands` in its feed-forward part."""

    kinds: tuple[int, ...]
    heads: tuple[int, ...]
    norm: str = "relu"


@dataclass(frozen=True, kw_only=True)
class HybridSpace(Space):
    """attention: stages whose shape-keeping blocks may be attention.  widths: channels of a head, by stage.
    convolution_only: a part of the space, to train first."""

    attention: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    heads: tuple[int, ...] = (1, 2, 4)
    norms: tuple[str, ...] = NORMS
    convolution_only: bool = False

    def elastic(self, block: Block) -> bool:
        """Whether the block may be attention."""
        return block.residual and block.stage in self.attention

    def pixels(self, block: Block) -> int:
        """Tokens of a block, one for each pixel."""
        side = self.image // 2
        for stage in self.stages[:block.stage + 1]:
            side //= stage.stride
        return side * side

    def without_attention(self) -> HybridSpace:
        """The same space with convolution blocks only."""
        return replace(self, convolution_only=True)

    def _with(self, config: SubNetConfig, kind, heads, norm: str) -> HybridConfig:
        kinds = tuple(kind(b) if self.elastic(b) and not self.convolution_only else CONVOLUTION for b in self.blocks)
        return HybridConfig(depths=config.depths, expands=config.expands, kernels=config.kernels, kinds=kinds,
                            heads=tuple(heads() if k else min(self.heads) for k in kinds), norm=norm)

    def largest(self) -> HybridConfig:
        """Everything at its largest; the last block of a stage is attention, those before it convolutions."""
        last = {s: max(stage.depths) - 1 for s, stage in enumerate(self.stages)}
        return self._with(super().largest(), lambda b: ATTENTION if b.index == last[b.stage] else CONVOLUTION,
                          lambda: max(self.heads), self.norms[0])

    def smallest(self) -> HybridConfig:
        return self._with(super().smallest(), lambda b: CONVOLUTION, lambda: min(self.heads), self.norms[0])

    def sample(self, rng: random.Random) -> HybridConfig:
        """Every choice drawn evenly and on its own."""
        return self._with(super().sample(rng), lambda b: rng.choice((CONVOLUTION, ATTENTION)),
                          lambda: rng.choice(self.heads), rng.choice(self.norms))

    def canonical(self, config: SubNetConfig) -> HybridConfig:
        """The same SubNet with what it does not use at the smallest value, so that equal nets compare equal."""
        assert isinstance(config, HybridConfig)
        base, on = super().canonical(config), {n for n, _ in self.active(config)}
        kinds = tuple(k if n in on else CONVOLUTION for n, k in enumerate(config.kinds))
        kernels = tuple(min(b.kernels) if kinds[n] else base.kernels[n] for n, b in enumerate(self.blocks))
        return HybridConfig(depths=base.depths, expands=base.expands, kernels=kernels, kinds=kinds,
                            heads=tuple(h if kinds[n] else min(self.heads) for n, h in enumerate(config.heads)),
                            norm=config.norm if any(kinds) else self.norms[0])

    def cost(self, config: SubNetConfig) -> tuple[int, int]:
        """(multiply-accumulates, weights); products of tensors count as multiply-accumulates without weights."""
        assert isinstance(config, HybridConfig)
        macs, weights = super().cost(config)
        for n, b in self.active(config):
            if not config.kinds[n]:
                continue
            pixels, mid = self.pixels(b), b.cin * config.expands[n]
            own = b.cin * mid + mid * config.kernels[n] ** 2 + mid * b.cout
            d, heads = self.widths[b.stage], config.heads[n]
            new = 4 * heads * d * b.cin + 2 * b.cin * mid
            macs += pixels * (new - own) + 2 * heads * d * pixels * pixels
            weights += new - own
        return macs, weights


HYBRID = HybridSpace(name="nigiri-hybrid", image=CIFAR.image, channels=CIFAR.channels, stem=CIFAR.stem, down=CIFAR.down,
                     stages=CIFAR.stages, head=CIFAR.head, classes=CIFAR.classes, attention=(1, 2), widths=(0, 16, 24))
"""The CIFAR-10 space with attention in its 8 x 8 and 4 x 4 stages."""
