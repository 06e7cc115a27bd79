"""The SubGraph that helps one SubNet most: greedy, by cycles saved per cached byte."""
from __future__ import annotations

from nigiri.compiler import CompiledBundle
from nigiri.cycles.program import predict
from nigiri.cycles.result import Prediction
from nigiri.runtime.placement import Box, size
from nigiri.sched.subgraph import clip
from nigiri.spec.descriptor import Opcode
from nigiri.spec.memory import MemorySetting

__all__ = ["best_subgraph", "savings"]

PARTS = 8
"""Steps in which a layer's input blocks are tried."""


def savings(before: Prediction, after: Prediction) -> dict[int, float]:
    """Cycles that each SuperNet layer saves."""
    out: dict[int, float] = {}
    for x, y in zip(before.layers, after.layers, strict=True):
        if x.opcode == Opcode.CONV:
            out[x.layer] = out.get(x.layer, 0.0) + x.cycles - y.cycles
    return out


def best_subgraph(compiled: CompiledBundle, subnet: str, memory: MemorySetting,
                  capacity: int | None = None) -> dict[int, Box]:
    """Boxes of at most `capacity` words (the configuration's persistent buffer when left out).

    Every layer is tried with a growing share of its input blocks, all layers at once, as its cycles depend little on
    what the others cache.  Shares that save most cycles per word come first; what is left of the buffer takes whole
    layers, those with the fewest uses of a weight first, which saves bytes only.
    """
    config = compiled.config
    left = config.pb_words if capacity is None else capacity
    program, offset = compiled.descriptors(subnet), compiled.program(subnet)[0]
    whole = compiled.subnet_boxes(subnet)
    if not left or not whole:
        return {}
    base = predict(program, config, memory, offset=offset)
    tried: dict[int, list[tuple[float, Box]]] = {i: [] for i in whole}
    for part in range(1, PARTS + 1):
        boxes = {i: (ob, max(1, ib * part // PARTS), taps) for i, (ob, ib, taps) in whole.items()}
        gains = savings(base, predict(program, config, memory, boxes, offset=offset))
        for i, box in boxes.items():
            tried[i].append((gains.get(i, 0.0), box))
    out: dict[int, Box] = {}
    have = dict.fromkeys(whole, 0.0)
    while True:
        steps = [((saved - have[i]) / (size(box) - size(out.get(i, (0, 0, 0)))), i, saved, box)
                 for i, options in tried.items() for saved, box in options
                 if saved > have[i] + 1 and 0 < size(box) - size(out.get(i, (0, 0, 0))) <= left]
        if not steps:
            break
        _, i, saved, box = max(steps)
        left -= size(box) - size(out.get(i, (0, 0, 0)))
        out[i], have[i] = box, saved
    uses = {x.id: min(x.pixels.values(), default=0) for x in compiled.layers}
    for i in sorted(whole, key=lambda n: (uses[n], -size(whole[n]), n)):
        now = out.get(i, (0, 0, 0))
        grown = clip({i: whole[i]}, [i], left + size(now)).get(i)
        if grown and size(grown) > size(now) and all(a >= b for a, b in zip(grown, now, strict=True)):
            left -= size(grown) - size(now)
            out[i] = grown
    return out
