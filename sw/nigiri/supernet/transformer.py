"""A small transformer SuperNet for the torch back end: elastic attention heads, feed-forward width and depth.

Encoder layers as in BERT (normalisation after the sum, GELU).  A SubNet has the first heads and the first neurons of a
layer; the layers that a smaller depth leaves out are spread evenly (DynaBERT, Hou et al., NeurIPS 2020, section 2).
All SubNets share the hidden width, the embeddings and the layer norms.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nigiri.runtime.errors import BadArgument
from nigiri.supernet.choices import Axis, BadChoice, Elastic

__all__ = ["BadTokens", "Transformer", "TransformerConfig", "TransformerSpace", "kept_layers"]


class BadTokens(BadArgument):
    """Token numbers that the network does not take."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """A SubNet.  depth: one entry, the number of layers.  heads, feed_forward: of every layer of the SuperNet."""

    depth: tuple[int, ...]
    heads: tuple[int, ...]
    feed_forward: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TransformerSpace:
    """Sizes of a SuperNet and the choices of its SubNets.

    heads, feed_forward: choices for each layer of the SuperNet.  depths: choices of the number of layers, of which the
    largest is len(heads).  head_size: channels of a head.  positions: longest sequence.
    """

    name: str = "nigiri-transformer"
    vocabulary: int = 256
    positions: int = 64
    hidden: int = 128
    head_size: int = 32
    heads: tuple[tuple[int, ...], ...] = ((1, 2, 3, 4),) * 6
    feed_forward: tuple[tuple[int, ...], ...] = ((128, 256, 384, 512),) * 6
    depths: tuple[int, ...] = (3, 4, 6)
    classes: int = 10

    def elastic(self) -> Elastic[TransformerConfig]:
        layers = len(self.heads)
        if len(self.feed_forward) != layers or max(self.depths) != layers:
            raise BadChoice(f"{self.name} has heads for {layers} layers, feed-forward widths for "
                            f"{len(self.feed_forward)} and depths up to {max(self.depths)}: the three must agree")
        return Elastic(self.name, TransformerConfig, {
            "depth": Axis(allowed=(self.depths,), per="depths"),
            "heads": Axis(allowed=self.heads, per="layers", block=True),
            "feed_forward": Axis(allowed=self.feed_forward, per="layers", block=True)},
            lambda config: kept_layers(layers, config.depth[0]))


def kept_layers(layers: int, depth: int) -> list[bool]:
    """Which of `layers` a SubNet of `depth` runs: those left out are spread evenly, the last of each group."""
    out = layers - depth
    return [(n + 1) * out // layers == n * out // layers for n in range(layers)]


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward network over x [N, T, hidden], each added to its input and normalised."""

    def __init__(self, hidden: int, heads: int, head_size: int, feed_forward: int):
        super().__init__()
        self.head_size = head_size
        self.query, self.key, self.value = (nn.Linear(hidden, heads * head_size) for _ in range(3))
        self.out = nn.Linear(heads * head_size, hidden)
        self.up, self.down = nn.Linear(hidden, feed_forward), nn.Linear(feed_forward, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

    def forward(self, x: Tensor, heads: int, feed_forward: int, mask: Tensor | None) -> Tensor:
        width = heads * self.head_size

        def part(layer: nn.Linear) -> Tensor:       # [N, heads, T, head_size]
            return F.linear(x, layer.weight[:width], layer.bias[:width]).unflatten(2, (heads, -1)).transpose(1, 2)

        y = F.scaled_dot_product_attention(part(self.query), part(self.key), part(self.value), mask)
        x = self.norm1(x + F.linear(y.transpose(1, 2).flatten(2), self.out.weight[:, :width], self.out.bias))
        y = F.gelu(F.linear(x, self.up.weight[:feed_forward], self.up.bias[:feed_forward]))
        return self.norm2(x + F.linear(y, self.down.weight[:, :feed_forward], self.down.bias))

    @torch.no_grad()
    def reorder(self, heads: Tensor, neurons: Tensor) -> None:
        """Put heads and neurons into the order of the given indices; the full layer computes the same."""
        rows = (heads[:, None] * self.head_size + torch.arange(self.head_size)).flatten()
        for layer, order in ((self.query, rows), (self.key, rows), (self.value, rows), (self.up, neurons)):
            layer.weight.copy_(layer.weight[order])
            layer.bias.copy_(layer.bias[order])
        for layer, order in ((self.out, rows), (self.down, neurons)):
            layer.weight.copy_(layer.weight[:, order])


class Transformer(nn.Module):
    """The SuperNet: `forward(tokens, config)` classifies sequences by the mean of their last states."""

    def __init__(self, shape: TransformerSpace | None = None):
        super().__init__()
        self.shape = shape or TransformerSpace()
        self.space = self.shape.elastic()
        s = self.shape
        self.tokens = nn.Embedding(s.vocabulary, s.hidden)
        self.places = nn.Embedding(s.positions, s.hidden)
        self.norm = nn.LayerNorm(s.hidden)
        self.layers = nn.ModuleList([EncoderLayer(s.hidden, max(h), s.head_size, max(f))
                                     for h, f in zip(s.heads, s.feed_forward, strict=True)])
        self.classifier = nn.Linear(s.hidden, s.classes)

    def forward(self, tokens: Tensor, config: TransformerConfig, real: Tensor | None = None) -> Tensor:
        """Logits [N, classes] of tokens, int64 [N, T].  real: bool [N, T], False for padding; at least one token of a
        sequence is real.

        BadChoice: `config` is not in the SuperNet.  BadTokens: wrong shapes or numbers.
        """
        self.space.check(config)
        self._check(tokens, real)
        x = self.norm(self.tokens(tokens) + self.places.weight[:tokens.shape[1]])
        mask = None if real is None else real[:, None, None, :]
        rows = zip(self.layers, self.space.used(config), config.heads, config.feed_forward, strict=True)
        for layer, used, heads, feed_forward in rows:
            if used:
                x = layer(x, heads, feed_forward, mask)
        if real is None:
            return self.classifier(x.mean(1))
        weights = real.unsqueeze(2).to(x.dtype)
        return self.classifier((x * weights).sum(1) / weights.sum(1))

    def _check(self, tokens: Tensor, real: Tensor | None) -> None:
        s = self.shape
        if tokens.dtype != torch.int64 or tokens.dim() != 2 or not 1 <= tokens.shape[1] <= s.positions:
            raise BadTokens(f"{s.name} takes int64 tokens of shape [N, 1..{s.positions}], "
                            f"not {str(tokens.dtype).removeprefix('torch.')} {list(tokens.shape)}")
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < s.vocabulary:
            raise BadTokens(f"the tokens reach from {int(tokens.min())} to {int(tokens.max())}: {s.name} knows 0 to "
                            f"{s.vocabulary - 1}")
        if real is None:
            return
        if real.dtype != torch.bool or real.shape != tokens.shape or not bool(real.any(1).all()):
            raise BadTokens(f"the mask must be bool {list(tokens.shape)} with a real token in every sequence")

    @torch.no_grad()
    def extract(self, config: TransformerConfig) -> Transformer:
        """The SubNet as a network of its own, with copies of its weights; its only configuration is its largest."""
        config = self.space.canonical(config)
        on = [n for n, used in enumerate(self.space.used(config)) if used]
        small = Transformer(replace(self.shape, name=f"{self.shape.name}-extracted", depths=(len(on),),
                                    heads=tuple((config.heads[n],) for n in on),
                                    feed_forward=tuple((config.feed_forward[n],) for n in on)))
        rename = {f"layers.{m}.": f"layers.{n}." for m, n in enumerate(on)}
        full: dict[str, Any] = self.state_dict()
        for key, tensor in small.state_dict().items():
            source = next((new + key.removeprefix(old) for old, new in rename.items() if key.startswith(old)), key)
            tensor.copy_(full[source][tuple(slice(n) for n in tensor.shape)])
        return small.train(self.training)

    def reorder(self, heads: Sequence[Tensor], neurons: Sequence[Tensor]) -> None:
        """Sort every layer's heads and neurons by importance, so that SubNets keep the most important ones (network
        rewiring, DynaBERT section 2.1).  heads, neurons: an importance each, per layer; the full network computes the
        same as before."""
        for layer, h, n in zip(self.layers, heads, neurons, strict=True):
            layer.reorder(torch.argsort(h, descending=True), torch.argsort(n, descending=True))
