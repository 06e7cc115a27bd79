"""Sorting middle channels by importance, so that smaller SubNets keep the most important ones.

Once-for-All does this before it trains smaller expansions (Cai et al., ICLR 2020, section 3.3: elastic width): the
importance of a channel is the L1 norm of the weights that read it.  Every block computes the same as before at its
full width.
"""
from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from nigiri.supernet.choices import BadChoice
from nigiri.supernet.ofa.config import EXPANSIONS
from nigiri.supernet.ofa.layers import ConvNorm, Excite, inner
from nigiri.supernet.ofa.mobile import InvertedBottleneck
from nigiri.supernet.ofa.net import ElasticNet
from nigiri.supernet.ofa.resnet import Bottleneck
from nigiri.zoo.plan import divisible
from nigiri.zoo.resnet import EXPANDS

__all__ = ["sort_channels"]


@torch.no_grad()
def sort_channels(net: ElasticNet, trained: int = 0) -> None:
    """Sort the middle channels of every elastic block, in place.

    trained: how many smaller expansions (0, 1 or 2) have been trained already: channels then stay on their side of
    those widths, so the SubNets of these expansions compute the same as before, too.  (The official code sorts the
    inner channels of a squeeze-and-excite over all widths, which changes what trained SubNets compute; here they stay
    on their side as well.)  BadChoice: another number.
    """
    if trained not in (0, 1, 2):
        raise BadChoice(f"{trained!r} smaller expansions are said to be trained: there are two, so 0, 1 or 2 can be")
    for module in net.modules():
        if isinstance(module, Bottleneck):
            _bottleneck(module, trained)
        elif isinstance(module, InvertedBottleneck) and module.inverted_bottleneck is not None:
            _inverted(module, module.inverted_bottleneck, trained)


def _bottleneck(block: Bottleneck, trained: int) -> None:
    widths = [divisible(round(block.conv3.cout * e)) for e in sorted(EXPANDS, reverse=True)[1:trained + 1]]
    for reader, writer in ((block.conv3, block.conv2), (block.conv2, block.conv1)):
        order = _order(inner(reader.conv).weight, widths)
        _take(inner(reader.conv), order, 1, "weight")
        _outputs(writer, order)


def _inverted(block: InvertedBottleneck, expansion: ConvNorm, trained: int) -> None:
    cin = inner(expansion.conv).in_channels
    widths = [divisible(cin * e) for e in sorted(EXPANSIONS, reverse=True)[1:trained + 1]]
    order = _order(inner(block.point_linear.conv).weight, widths)
    _take(inner(block.point_linear.conv), order, 1, "weight")
    _take(block.depth_conv.conv.conv, order, 0, "weight")
    _take(inner(block.depth_conv.bn), order, 0, "weight", "bias", "running_mean", "running_var")
    if block.depth_conv.se is not None:
        _excite(block.depth_conv.se, order, widths)
    _outputs(expansion, order)


def _excite(gate: Excite, order: Tensor, widths: list[int]) -> None:
    reduce, expand = gate.fc["reduce"], gate.fc["expand"]
    _take(expand, order, 0, "weight", "bias")
    _take(reduce, order, 1, "weight")
    middle = _order(expand.weight, [divisible(w // 4) for w in widths])
    _take(expand, middle, 1, "weight")
    _take(reduce, middle, 0, "weight", "bias")


def _outputs(layer: ConvNorm, order: Tensor) -> None:
    _take(inner(layer.conv), order, 0, "weight")
    _take(inner(layer.bn), order, 0, "weight", "bias", "running_mean", "running_var")


def _order(reader: Tensor, widths: list[int]) -> Tensor:
    """Channels by importance for the weights [out, channels, kh, kw] that read them, each part between widths alone."""
    importance = reader.abs().sum((0, 2, 3))
    borders = sorted({0, *widths, len(importance)})
    return torch.cat([low + torch.argsort(importance[low:high], descending=True)
                      for low, high in pairwise(borders)])


def _take(module: nn.Module, order: Tensor, axis: int, *names: str) -> None:
    for name in names:
        tensor = getattr(module, name)
        tensor.copy_(tensor.index_select(axis, order))
