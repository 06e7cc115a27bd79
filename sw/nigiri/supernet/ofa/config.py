"""SubNet configurations of the Once-for-All families (Cai et al., ICLR 2020).

The official spelling (`d`, `e`, `w`, `ks` of `set_active_subnet`) is read and written by `from_ofa` and `to_ofa`.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nigiri.supernet.choices import Axis, BadChoice, Elastic
from nigiri.zoo.plan import Choice
from nigiri.zoo.resnet import BLOCKS, EXPANDS, MOST, STEM

__all__ = ["MobileConfig", "ResNetConfig", "from_choice", "from_ofa", "mobile_space", "resnet_space", "to_ofa"]

OFA_NAMES = {"depth": "d", "expand": "e", "width": "w", "kernel": "ks"}
DEPTHS, EXPANSIONS, KERNELS = (2, 3, 4), (3, 4, 6), (3, 5, 7)
STAGES = 5
"""Elastic stages of the mobile families, of max(DEPTHS) blocks each."""


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """A SubNet of OFA-ResNet50.

    depth: residual layer of the stem (0 or 2), then blocks beyond the base of each of four stages (0..2).
    expand: bottleneck width over block width, for 18 blocks (four, four, six, four).
    width: index (0..2) of the widths of the stem's two layers and of the four stages.
    """

    depth: tuple[int, ...]
    expand: tuple[float, ...]
    width: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class MobileConfig:
    """A SubNet of OFA-MobileNetV3 or OFA-ProxylessNAS.

    depth: blocks of each of five stages (2..4).  expand, kernel: expansion ratio and side of the depthwise kernel of
    every block, four for each stage (ProxylessNAS: and one for the last block, which is always there).
    """

    depth: tuple[int, ...]
    expand: tuple[int, ...]
    kernel: tuple[int, ...]


def resnet_space(name: str) -> Elastic[ResNetConfig]:
    def used(config: ResNetConfig) -> list[bool]:
        return [b < BLOCKS[s] + config.depth[1 + s] for s, most in enumerate(MOST) for b in range(most)]

    extra = tuple(range(MOST[0] - BLOCKS[0] + 1))
    return Elastic(name, ResNetConfig, {
        "depth": Axis(allowed=((0, 2), *(extra,) * 4), per="depths (stem and four stages)"),
        "expand": Axis(allowed=(EXPANDS,) * sum(MOST), per="blocks", block=True),
        "width": Axis(allowed=(tuple(range(len(STEM[0]))),) * 6, per="widths (two stem layers and four stages)")}, used)


def mobile_space(name: str, last: int = 0) -> Elastic[MobileConfig]:
    """last: blocks after the elastic stages whose depth is fixed."""
    def used(config: MobileConfig) -> list[bool]:
        return [b < d for d in config.depth for b in range(max(DEPTHS))] + [True] * last

    blocks = STAGES * max(DEPTHS) + last
    return Elastic(name, MobileConfig, {
        "depth": Axis(allowed=(DEPTHS,) * STAGES, per="stages"),
        "expand": Axis(allowed=(EXPANSIONS,) * blocks, per="blocks", block=True),
        "kernel": Axis(allowed=(KERNELS,) * blocks, per="blocks", block=True)}, used)


def from_ofa(space: Elastic, config: Mapping[str, Any]) -> Any:
    """The typed configuration of an official one, e.g. {"ks": 7, "e": [6, ...], "d": [4, ...]}.

    A number stands for all entries.  Of ProxylessNAS' six official depths, the last (always 1) is dropped.
    """
    names = {OFA_NAMES[field]: field for field in space.axes}
    odd = sorted(set(config) ^ set(names))
    if odd:
        raise BadChoice(f"an official configuration of {space.name} has the keys {', '.join(sorted(names))}: "
                        f"{odd[0]!r} is {'missing' if odd[0] in names else 'not one of them'}")
    values = {names[key]: value for key, value in config.items()}
    depth = values["depth"]
    if space.kind is MobileConfig and not isinstance(depth, int) and len(depth) == STAGES + 1:
        values["depth"] = depth[:STAGES]
    return space.uniform(**values)


def to_ofa(space: Elastic, config: Any) -> dict[str, list]:
    """The arguments of the official `set_active_subnet`; skipped blocks that hold 0 get their smallest value."""
    space.check(config)
    out = {OFA_NAMES[field]: [value if value in allowed else min(allowed) for value, allowed in
                              zip(getattr(config, field), axis.allowed, strict=True)]
           for field, axis in space.axes.items()}
    if space.kind is MobileConfig and len(config.kernel) % max(DEPTHS):
        out["d"] += [1]
    return out


def from_choice(space: Elastic, choice: Choice) -> Any:
    """The configuration of a SubNet of :mod:`nigiri.zoo`; the image side is left to the caller."""
    return space.check(space.kind(**{field: getattr(choice, field) for field in space.axes}))
