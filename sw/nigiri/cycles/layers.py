"""Random layers and programs of them: what the cycle model is held against."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.spec import descriptor, residency
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["RandomProgram", "random_layer", "random_program"]

OWN = Flag.DEPTHWISE | Flag.MAXIMUM


@dataclass(frozen=True, kw_only=True)
class RandomProgram:
    """CONVs with zeros for weights.

    Attributes
    ----------
    image: the window, with the program at word 0 and room for the fill entries.
    program, names: unpacked descriptors, and what is special about each.
    resident: boxes in the persistent buffer, by layer.  fills, fill_offset: what brings them there.
    """

    image: np.ndarray
    program: list[dict[str, int]]
    names: list[str]
    resident: dict[int, tuple[int, int, int]]
    fills: list[dict[str, int]]
    fill_offset: int


def _kind(rng: np.random.Generator) -> tuple[int, int]:
    """Flags and kernel, roughly as often as networks have them."""
    kinds = ((0, 1), (0, 3), (0, 5), (Flag.DEPTHWISE, 3), (Flag.DEPTHWISE, 5), (Flag.DEPTHWISE, 7), (Flag.MAXIMUM, 3))
    return kinds[rng.choice(len(kinds), p=(0.42, 0.22, 0.04, 0.1, 0.1, 0.07, 0.05))]


def random_layer(rng: np.random.Generator, config: AcceleratorConfig, most: int = 30_000,
                 images: int = 1) -> dict[str, int]:
    """A layer that `config` can run, of at most about `most` array steps an image or weight words; without offsets."""
    while True:
        d = _draw(rng, config)
        words = d["in_blocks"] * descriptor.taps(d)
        tiles = -(-d["in_w"] * d["out_h"] // (config.lanes >> d["split"]))
        sets = -(-d["out_blocks"] // (1 << d["split"]))
        if words < config.ring_words and max(sets * tiles, d["out_blocks"] * 2) * words <= most:
            return {**d, "extra_images": images - 1}


def random_program(rng: np.random.Generator, config: AcceleratorConfig, length: int = 1, *,
                   cached: bool = False, images: int = 1, most: int = 30_000) -> RandomProgram:
    """`length` random layers of `images` images one after the other, with random prefixes of their weights resident if
    `cached`."""
    program: list[dict[str, int]] = []
    names, fills = [], []
    end, base = 2 * length, 0
    for n in range(length):
        d = random_layer(rng, config, most, images)
        params = end + int(rng.integers(0, 4))
        weights = params + d["out_blocks"]
        end = weights + d["out_blocks"] * d["w_blocks"] * d["w_taps"]
        table = end if d["flags"] & Flag.TABLE else 0
        end += 4 if d["flags"] & Flag.TABLE else 0
        d |= {"layer": n, "param_offset": params, "mem_offset": weights, "table_offset": table}
        program.append(descriptor.unpack(descriptor.pack(**d)))
        names.append(_text(d))
        if cached and not d["flags"] & Flag.MAXIMUM:
            base += int(rng.integers(0, 4))
            box = _box(rng, d, max(1, (config.pb_words - base) // (length - n)))
            if all(box) and base + box[0] * box[1] * box[2] <= config.pb_words:
                fills.append({"layer": n, "out_blocks": box[0], "in_blocks": box[1], "taps": box[2], "pb_base": base,
                              "mem_offset": weights, "w_taps": d["w_taps"], "w_blocks": d["w_blocks"]})
                base += residency.size(fills[-1])
                names[-1] += f", {box} resident"
    image = np.zeros(64 * (end + length), np.uint8)
    packed = b"".join(descriptor.pack(**d) for d in program)
    image[:len(packed)] = np.frombuffer(packed, np.uint8)
    resident = {e["layer"]: (e["out_blocks"], e["in_blocks"], e["taps"]) for e in fills}
    return RandomProgram(image=image, program=program, names=names, resident=resident, fills=fills, fill_offset=end)


def _text(d: dict[str, int]) -> str:
    names = [name.lower() for name, bit in vars(Flag).items() if name.isupper() and d["flags"] & bit]
    return (f"{d['in_h']}x{d['in_w']} {d['in_blocks']}->{d['out_blocks']} blocks, {descriptor.taps(d)} taps of "
            f"{d['w_taps']}, split {d['split']}, {'+'.join(names) or 'plain'}")


def _box(rng: np.random.Generator, d: dict[str, int], room: int) -> tuple[int, int, int]:
    """Output blocks, input blocks, taps: often all that are stored, otherwise any number, but at most `room` words."""
    out, blocks, taps = (most if rng.random() < share else int(rng.integers(1, most + 1)) for most, share in (
        (d["out_blocks"], 0.4), (d["w_blocks"], 0.4), (d["w_taps"], 0.6)))
    taps = min(taps, room)
    blocks = min(blocks, room // taps)
    return min(out, room // (taps * blocks)), blocks, taps


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
