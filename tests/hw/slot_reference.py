"""The array's slots in the order of nigiri.spec.descriptor's loop nest, and random layers."""
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from nigiri.cycles.timing import POOL_GAP, TABLE, TABLE_WORD, drains, interval, tile_pixels
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_hw.core.sequencer import Slot

__all__ = ["Issue", "layer_words", "random_copy", "random_layer", "slots"]

Word = tuple[str, int, int]
"""What a place of a ring holds: "table", "params" or "weights", output block, number."""


@dataclass
class Issue:
    """One slot.  fields: of the ports `slot_*`.  words: by ring, what it reads.  gap: cycles since the slot before, if
    nothing holds it up.  last_gap: cycles since the last step of the tile before, at least.  ends: units of work that
    others report as done later."""

    kind: Slot
    fields: dict[str, int]
    words: dict[int, Word] = field(default_factory=dict)
    gap: int = 1
    last_gap: int = 0
    ends: tuple[str, ...] = ()


def layer_words(d: dict[str, int], config: AcceleratorConfig) -> list[list[Word]]:
    """The words of a layer in the order in which each ring gets them."""
    rings: list[list[Word]] = [[] for _ in range(config.groups)]
    if d["flags"] & Flag.TABLE:
        rings[0] += [("table", 0, n) for n in range(4)]
    for ob in range(d["out_blocks"]):
        ring = rings[ob % config.groups]
        ring.append(("params", ob, 0))
        ring += [("weights", ob, n) for n in range(d["in_blocks"] * descriptor.taps(d))]
    return rings


def slots(d: dict[str, int], config: AcceleratorConfig) -> Iterator[Issue]:
    """All slots of a CONV, in order."""
    flags, span = d["flags"], config.ab_span
    own = flags & (Flag.DEPTHWISE | Flag.MAXIMUM)
    width = (d["in_w"] + 1) // 2 if flags & Flag.STRIDE2 else d["in_w"]
    pixels, tile = width * d["out_h"], tile_pixels(d, config)
    taps, at_once = descriptor.taps(d), 1 << d["split"]
    parities = (0, 1) if flags & Flag.DEPTHWISE and flags & Flag.STRIDE2 else (0,)
    spacing = drains(d, config) * interval(d, width, config)
    since_last = 0
    after_table = 0
    if flags & Flag.TABLE:
        for n in range(4):
            yield Issue(Slot.TABLE, {"table": n}, {0: ("table", 0, n)}, gap=TABLE_WORD if n else 1)
        after_table = TABLE_WORD + TABLE
    for first in range(0, d["out_blocks"], at_once):
        blocks = range(first, min(first + at_once, d["out_blocks"]))
        common = {"ring": first % config.groups}

        def where(kind, number, blocks=blocks):
            return {ob % config.groups: (kind, ob, number) for ob in blocks}
        for n, _ in enumerate(blocks):
            here = common | {"group": n, "group_last": int(n == len(blocks) - 1)}
            yield Issue(Slot.PARAMS, here, where("params", 0), gap=after_table or 1)
            after_table = 0
        for image in range(1 + d["extra_images"]):
            source = d["in_base"] + image * d["in_image"] + bool(own) * first * d["in_stride"]
            residual = d["res_base"] + image * d["res_image"] + first * d["res_stride"]
            if flags & Flag.SCALE:
                yield Issue(Slot.SCALE, {"base": (d["scale_base"] + first + image * d["scale_image"]) % span})
            for begin in range(0, pixels, tile):
                final = begin + tile >= pixels
                steps = [(ib, t, p) for ib in range(d["in_blocks"]) for t in range(taps) for p in parities]
                facts = {"image_first": int(begin == 0), "block_first": int(begin == 0 and image == 0),
                         "block_end": int(final)}
                for n, (ib, t, p) in enumerate(steps):
                    last = n == len(steps) - 1
                    yield Issue(Slot.STEP, common | facts | {
                        "first": int(n == 0), "last": int(last), "tap": t, "parity": p,
                        "base": (source + begin + ib * d["in_stride"]) % span}, where("weights", ib * taps + t),
                        last_gap=since_last if last else 0,
                        ends=("tile",) + ("pool",) * bool(flags & Flag.POOL and final) if last else ())
                since_last = spacing
                if flags & Flag.POOL:
                    since_last = max(POOL_GAP, spacing + 1) if final else spacing + 1
                if flags & Flag.RESIDUAL:
                    for n, _ in enumerate(blocks):
                        yield Issue(Slot.RESIDUAL, common | {
                            "group": n, "group_last": int(n == len(blocks) - 1),
                            "base": (residual + begin + n * d["res_stride"]) % span})


def random_layer(dice: random.Random, config: AcceleratorConfig) -> dict[str, int]:
    """A layer of any kind that is over soon."""
    while True:
        kind = dice.choice((0, 0, Flag.DEPTHWISE, Flag.MAXIMUM))
        flags = kind | sum(f for f in (Flag.STRIDE2, Flag.TABLE, Flag.RESIDUAL, Flag.POLYPHASE, Flag.POOL, Flag.SCALE)
                           if dice.random() < 0.35)
        split = dice.randrange(config.groups.bit_length())
        flags &= ~(Flag.POOL | Flag.SCALE) if split else -1
        stride = 2 if flags & Flag.STRIDE2 else 1
        d = dict.fromkeys((f.name for f in descriptor.FIELDS), 0) | {
            "magic": descriptor.MAGIC, "opcode": Opcode.CONV, "flags": flags, "split": 0 if kind else split,
            "kernel": dice.choice((3, 5) if kind & Flag.MAXIMUM else (1, 1, 3, 5)),
            "in_w": dice.randint(1, 9), "in_h": dice.randint(1, 6), "out_blocks": dice.randint(1, 6),
            "in_blocks": 1 if kind else dice.randint(1, 4), "out_phase": config.banks // 2,
            "extra_images": dice.choice((0, 0, 1, 2)), "layer": dice.randrange(config.layers)}
        d["out_h"] = descriptor.out_rows(d["in_h"], stride)
        for name in ("in_base", "in_stride", "in_image", "res_base", "res_stride", "res_image", "scale_base",
                     "scale_image"):
            d[name] = dice.randrange(config.ab_words)
        if descriptor.problem(d, config) is None and sum(1 for _ in slots(d, config)) < 600:
            return d


def random_copy(dice: random.Random, config: AcceleratorConfig, window: int) -> dict[str, int]:
    """A LOAD or a STORE inside the window."""
    words = dice.randint(1, 12)
    return dict.fromkeys((f.name for f in descriptor.FIELDS), 0) | {
        "magic": descriptor.MAGIC, "opcode": dice.choice((Opcode.LOAD, Opcode.STORE)), "length": 8 * words,
        "mem_offset": dice.choice((0, window - words)), "in_base": 8 * dice.randrange(config.ab_words // 8),
        "out_base": 8 * dice.randrange(config.ab_words // 8)}
