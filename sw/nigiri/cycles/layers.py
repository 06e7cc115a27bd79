"""Random single layers: what the cycle model is held against, one program each."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["LayerProgram", "random_layer"]

OWN = Flag.DEPTHWISE | Flag.MAXIMUM


@dataclass(frozen=True, kw_only=True)
class LayerProgram:
    """One CONV as a program: an image of the window, with zeros for weights, and the descriptor in it."""

    image: np.ndarray
    offset: int
    fields: dict[str, int]
    text: str


def _kind(rng: np.random.Generator) -> tuple[int, int]:
    """Flags and kernel, roughly as often as networks have them."""
    kinds = ((0, 1), (0, 3), (0, 5), (Flag.DEPTHWISE, 3), (Flag.DEPTHWISE, 5), (Flag.DEPTHWISE, 7), (Flag.MAXIMUM, 3))
    return kinds[rng.choice(len(kinds), p=(0.42, 0.22, 0.04, 0.1, 0.1, 0.07, 0.05))]


def random_layer(rng: np.random.Generator, config: AcceleratorConfig, most: int = 30_000,
                 images: int = 1) -> LayerProgram:
    """A layer that `config` can run, of at most about `most` array steps an image or weight words."""
    while True:
        d = _draw(rng, config)
        words = d["in_blocks"] * descriptor.taps(d)
        tiles = -(-d["in_w"] * d["out_h"] // (config.lanes >> d["split"]))
        sets = -(-d["out_blocks"] // (1 << d["split"]))
        if words < config.ring_words and max(sets * tiles, d["out_blocks"] * 2) * words <= most:
            break
    taps = descriptor.taps(d)
    params, table = 2 + int(rng.integers(0, 4)), 0
    weights = params + d["out_blocks"]
    total = weights + d["out_blocks"] * d["w_blocks"] * d["w_taps"]
    if d["flags"] & Flag.TABLE:
        table, total = total, total + 4
    d |= {"extra_images": images - 1, "param_offset": params, "mem_offset": weights, "table_offset": table}
    image = np.zeros(64 * total, np.uint8)
    image[:descriptor.BYTES] = np.frombuffer(descriptor.pack(**d), np.uint8)
    names = [name.lower() for name, bit in vars(Flag).items() if name.isupper() and d["flags"] & bit]
    text = (f"{d['in_h']}x{d['in_w']} {d['in_blocks']}->{d['out_blocks']} blocks, {taps} taps of {d['w_taps']}, split "
            f"{d['split']}, {'+'.join(names) or 'plain'}")
    return LayerProgram(image=image, offset=0, fields=descriptor.unpack(image[:descriptor.BYTES].tobytes()), text=text)


def _draw(rng: np.random.Generator, config: AcceleratorConfig) -> dict[str, int]:
    def some(share: float) -> bool:
        return bool(rng.random() < share)

    def log(low: int, high: int) -> int:
        return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))

    kind, kernel = _kind(rng)
    flags = kind | Flag.STRIDE2 * (kernel > 1 and some(0.25)) | Flag.TABLE * some(0.2) | Flag.RESIDUAL * some(0.2)
    flags |= Flag.POLYPHASE * some(0.2) | Flag.SCALE * some(0.1) | Flag.POOL * some(0.1)
    side = 1 if kernel == 1 and some(0.12) else log(4, 56)
    width = max(1, side + int(rng.integers(-2, 3))) if side > 1 else 1
    own, single = bool(flags & OWN), bool(flags & (OWN | Flag.POOL | Flag.SCALE))
    in_blocks = 1 if own else log(1, 64)
    k = kernel if flags & Flag.DEPTHWISE else kernel ** 2
    larger = 7 if flags & Flag.DEPTHWISE and some(0.4) else k
    return {"opcode": Opcode.CONV, "flags": flags, "kernel": kernel, "in_w": width, "in_h": side,
            "out_h": -(-side // 2) if flags & Flag.STRIDE2 else side, "in_blocks": in_blocks,
            "out_blocks": log(1, 48), "w_taps": larger, "w_blocks": in_blocks + (0 if own else int(rng.integers(0, 3))),
            "split": 0 if single else int(rng.integers(0, config.groups.bit_length())), "act_min": -128, "act_max": 127,
            "in_stride": 64, "in_phase": 16, "out_stride": 64, "out_phase": config.banks // 2}
