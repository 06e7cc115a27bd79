"""Search spaces: which SubNets a SuperNet contains.  Pure Python; no torch.

A SuperNet here is a stem, stages of inverted-residual blocks (1x1 expand, k x k depthwise, 1x1 project) and a
head, in the Once-for-All style: elastic depth per stage, elastic expansion ratio and kernel size per block.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["CIFAR", "Block", "Space", "Stage", "SubNetConfig"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: `depth` blocks at most, the first one with `stride`; `width` output channels."""

    width: int
    stride: int
    depths: tuple[int, ...]
    expands: tuple[int, ...]
    kernels: tuple[int, ...] = (3, 5)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One inverted-residual block of the SuperNet at its largest."""

    name: str
    stage: int
    index: int
    cin: int
    cout: int
    stride: int
    expands: tuple[int, ...]
    kernels: tuple[int, ...]

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.cin == self.cout


@dataclass(frozen=True, kw_only=True)
class SubNetConfig:
    """Depth per stage; expansion and kernel per block of the SuperNet (entries of skipped blocks are ignored)."""

    depths: tuple[int, ...]
    expands: tuple[int, ...]
    kernels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Space:
    """An elastic network for `image` x `image` x `channels` inputs and `classes` outputs."""

    name: str
    image: int
    channels: int
    stem: int
    down: int
    stages: tuple[Stage, ...]
    head: int
    classes: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        out, cin = [], self.down
        for s, stage in enumerate(self.stages):
            for i in range(max(stage.depths)):
                out.append(
                    Block(
                        name=f"s{s}b{i}",
                        stage=s,
                        index=i,
                        cin=cin,
                        cout=stage.width,
                        stride=stage.stride if i == 0 else 1,
                        expands=stage.expands,
                        kernels=stage.kernels,
                    )
                )
                cin = stage.width
        return tuple(out)

    def active(self, config: SubNetConfig) -> list[tuple[int, Block]]:
        """The blocks a SubNet uses, in order: the first `depth` of each stage."""
        return [(n, b) for n, b in enumerate(self.blocks) if b.index < config.depths[b.stage]]

    def _uniform(self, pick) -> SubNetConfig:
        return SubNetConfig(
            depths=tuple(pick(s.depths) for s in self.stages),
            expands=tuple(pick(b.expands) for b in self.blocks),
            kernels=tuple(pick(b.kernels) for b in self.blocks),
        )

    def largest(self) -> SubNetConfig:
        return self._uniform(max)

    def smallest(self) -> SubNetConfig:
        return self._uniform(min)

    def sample(self, rng: random.Random) -> SubNetConfig:
        return self._uniform(rng.choice)

    def canonical(self, config: SubNetConfig) -> SubNetConfig:
        """The same SubNet with the entries of skipped blocks set to their minimum, so that equal nets compare equal."""
        on = {n for n, _ in self.active(config)}
        blocks = self.blocks
        return SubNetConfig(
            depths=config.depths,
            expands=tuple(e if n in on else min(blocks[n].expands) for n, e in enumerate(config.expands)),
            kernels=tuple(k if n in on else min(blocks[n].kernels) for n, k in enumerate(config.kernels)),
        )

    def sizes(self, config: SubNetConfig) -> list[int]:
        """Side length of the feature map after the stem, the down-sampling convolution and each stage."""
        strides = [1, 2] + [s.stride for s in self.stages]
        return [self.image // f for f in accumulate(strides, lambda a, b: a * b)]

    def cost(self, config: SubNetConfig) -> tuple[int, int]:
        """(multiply-accumulates, weights) of a SubNet; biases and requantisation tables not counted."""
        size = self.image
        macs = size * size * 9 * self.channels * self.stem
        weights = 9 * self.channels * self.stem
        size //= 2
        macs += size * size * 9 * self.stem * self.down
        weights += 9 * self.stem * self.down
        for n, b in self.active(config):
            mid, k = b.cin * config.expands[n], config.kernels[n]
            out = size // b.stride
            macs += size * size * b.cin * mid + out * out * mid * (k * k + b.cout)
            weights += b.cin * mid + mid * k * k + mid * b.cout
            size = out
        last = self.stages[-1].width
        macs += size * size * last * self.head + self.head * self.classes
        weights += last * self.head + self.head * self.classes
        return macs, weights


CIFAR = Space(
    name="nigiri-cifar",
    image=32,
    channels=3,
    stem=24,
    down=40,
    classes=10,
    head=576,
    stages=(
        Stage(width=40, stride=1, depths=(1, 2), expands=(2, 3, 4)),
        Stage(width=80, stride=2, depths=(1, 2, 3), expands=(2, 3, 4)),
        Stage(width=144, stride=2, depths=(1, 2, 3), expands=(2, 4, 6)),
    ),
)
"""The shipped CIFAR-10 SuperNet: most of its weights sit in 4x4 maps, as in ImageNet networks they sit in 7x7 ones."""
