"""Places tensors in the activation buffer: live ranges over the layers of a SubNet, first fit."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.compiler.errors import ActivationBufferError
from nigiri.compiler.graph import INPUT, Network, SubNet, blocks
from nigiri.spec.config import AcceleratorConfig

__all__ = ["ALIGN", "Tensor", "allocate", "phase_stride"]

ALIGN = 8
"""Bases and sizes in pixel words: what LOAD and STORE accept."""


@dataclass(kw_only=True)
class Tensor:
    """A tensor in the activation buffer, in pixel words.

    stride: from one block of 8 channels to the next.  phase: from one plane to the next, 0 for plain pixel order.
    first, last: indices of the layer that writes it and of the last one that reads it.
    """

    name: str
    channels: int
    height: int
    width: int
    stride: int
    phase: int
    first: int
    last: int
    base: int = -1

    @property
    def words(self) -> int:
        return -(-blocks(self.channels) * self.stride // ALIGN) * ALIGN

    def places(self) -> np.ndarray:
        """Pixel word of every pixel inside a block, int64 [height * width]: see :mod:`nigiri.spec.layout`."""
        y, x = np.divmod(np.arange(self.height * self.width), self.width)
        if not self.phase:
            return y * self.width + x
        return (2 * (y % 2) + x % 2) * self.phase + y // 2 * -(-self.width // 2) + x // 2


def phase_stride(config: AcceleratorConfig, height: int, width: int) -> int:
    """Pixel words from one plane of a polyphase tensor to the next: neighbouring planes lie half the banks apart."""
    plane = -(-height // 2) * -(-width // 2)
    return plane + (config.banks // 2 - plane) % config.banks


def tensors(network: Network, subnet: SubNet, config: AcceleratorConfig, keep_all: bool) -> list[Tensor]:
    """Every tensor of a SubNet with its live range; with `keep_all` also the results that only a pool reads."""
    last: dict[str, int] = {subnet.output: len(subnet.layers)}
    polyphase = set()
    for n, layer in enumerate(subnet.layers):
        last[layer.source] = n
        if layer.residual:
            last[layer.residual.source] = n
        if network.super_layer(layer).stride == 2:
            polyphase.add(layer.source)
    out = []

    def add(name: str, channels: int, height: int, width: int, first: int) -> None:
        if name in last or keep_all:
            phase = phase_stride(config, height, width) if name in polyphase else 0
            out.append(Tensor(name=name, channels=channels, height=height, width=width, first=first, phase=phase,
                              last=last.get(name, first), stride=4 * phase if phase else height * width))

    add(INPUT, network.channels, network.height, network.width, -1)
    for n, layer in enumerate(subnet.layers):
        height, width = network.out_side(layer)
        add(layer.name, layer.cout, height, width, n)
        if layer.pool:
            add(f"{layer.name}.pool", layer.cout, 1, 1, n)
    return out


def _lowest(tensor: Tensor, placed: list[Tensor]) -> int:
    """The lowest base at which `tensor` overlaps nothing that is live at the same time."""
    base = 0
    for other in sorted((p for p in placed if p.first <= tensor.last and tensor.first <= p.last), key=lambda p: p.base):
        if base + tensor.words <= other.base:
            break
        base = max(base, other.base + other.words)
    return base


def _place(order: list[Tensor]) -> Tensor:
    """Give every tensor a base; the one that reaches highest."""
    placed: list[Tensor] = []
    for tensor in order:
        tensor.base = _lowest(tensor, placed)
        placed.append(tensor)
    return max(placed, key=lambda t: t.base + t.words)


def allocate(network: Network, subnet: SubNet, config: AcceleratorConfig, keep_all: bool = False) -> dict[str, Tensor]:
    """All tensors by name, placed; in program order, or the largest first if that does not fit.

    Raises
    ------
    ActivationBufferError: names the layer, the words it needs and the words there are.
    """
    todo = tensors(network, subnet, config, keep_all)
    top = _place(todo)
    if top.base + top.words > config.ab_words:
        top = _place(sorted(todo, key=lambda t: -t.words))
    if top.base + top.words > config.ab_words:
        raise ActivationBufferError(
            f"SubNet {subnet.info.name}, layer {subnet.layers[max(top.first, 0)].name}: the tensors in use need "
            f"{top.base + top.words} pixel words of activation buffer, configuration {config.name!r} has "
            f"{config.ab_words}: choose a larger configuration")
    return {t.name: t for t in todo}
