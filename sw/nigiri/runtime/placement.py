"""Where the boxes of a SubGraph go in the persistent buffer, and the fill entries that bring them there."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nigiri.compiler.compiled import LayerInfo
from nigiri.runtime.errors import BadArgument

__all__ = ["Box", "Placed", "entries", "place", "size"]

Box = tuple[int, int, int]
"""Output blocks, input blocks, taps: a prefix of a layer's weights."""


@dataclass(frozen=True)
class Placed:
    """A box at word `base` of the persistent buffer."""

    box: Box
    base: int

    @property
    def end(self) -> int:
        return self.base + size(self.box)


def size(box: Box) -> int:
    """Words of 64 bytes."""
    return box[0] * box[1] * box[2]


def check(subgraph: Mapping[int, Box], layers: Iterable[LayerInfo], pb_words: int) -> None:
    """Raises BadArgument when a box is no part of its layer or all together do not fit."""
    table = {x.id: x for x in layers}
    for layer, box in subgraph.items():
        if layer not in table:
            raise BadArgument(f"the SubGraph names layer {layer}, the SuperNet has layers 0 to {len(table) - 1}")
        if table[layer].shared:
            raise BadArgument(f"layer {table[layer].name} cannot be cached, its words serve all channels: leave it out "
                              f"of the SubGraph")
        full = (table[layer].out_blocks, table[layer].in_blocks, table[layer].taps)
        if len(box) != 3 or not (all(n >= 0 for n in box) and all(a <= b for a, b in zip(box, full, strict=True))):
            raise BadArgument(f"the box of layer {table[layer].name} must be between (0, 0, 0) and {full}, "
                              f"not {tuple(box)}")
    words = sum(size(box) for box in subgraph.values())
    if words > pb_words:
        raise BadArgument(f"the SubGraph needs {words} words of persistent buffer, the configuration has {pb_words}: "
                          f"cache fewer weights")


def _gap(taken: list[Placed], words: int, pb_words: int) -> int | None:
    base = 0
    for p in sorted(taken, key=lambda p: p.base):
        if base + words <= p.base:
            break
        base = max(base, p.end)
    return base if base + words <= pb_words else None


def place(subgraph: Mapping[int, Box], resident: Mapping[int, Placed], pb_words: int) -> dict[int, Placed]:
    """A base for every box that is not empty: equal boxes stay, the others fill the gaps in the given order.

    If the gaps are too small, everything is packed anew.
    """
    wanted = {layer: box for layer, box in subgraph.items() if size(box)}
    out = {layer: resident[layer] for layer, box in wanted.items()
           if layer in resident and resident[layer].box == box}
    for layer, box in wanted.items():
        if layer not in out:
            base = _gap(list(out.values()), size(box), pb_words)
            if base is None:
                break
            out[layer] = Placed(box, base)
    else:
        return out
    at, packed = 0, {}
    for layer, box in wanted.items():
        packed[layer] = Placed(box, at)
        at += size(box)
    return packed


def entries(old: Mapping[int, Placed], new: Mapping[int, Placed], layers: Iterable[LayerInfo]) -> list[dict[str, int]]:
    """Fill entries from one placement to another: first what goes or moves is given up, then what is new is read."""
    table = {x.id: x for x in layers}
    out = [{"layer": layer} for layer in old if old[layer] != new.get(layer)]
    for layer, p in new.items():
        if old.get(layer) != p:
            x = table[layer]
            out.append({"layer": layer, "out_blocks": p.box[0], "in_blocks": p.box[1], "taps": p.box[2],
                        "pb_base": p.base, "mem_offset": x.mem_offset, "w_taps": x.w_taps, "w_blocks": x.w_blocks})
    return out
