"""Random small programs, valid for a configuration: what a device must compute exactly as the golden model does."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nigiri.model.conv import out_side
from nigiri.model.draw import Draw
from nigiri.model.image import ImageBuilder, pack_dense, pack_depthwise
from nigiri.model.room import Room, Tensor
from nigiri.runtime.counters import Counters
from nigiri.runtime.driver import WORD, Driver
from nigiri.spec import descriptor, residency
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["Limits", "RandomProgram", "execute", "random_program"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes of random programs.

    Parameters
    ----------
    side, blocks, layers: largest map side, channels / 8 and number of layers.
    budget: largest number of array steps plus 8 times the weight words of a layer, roughly its cycles.

    Machines with groups of lanes get layers with a few more output blocks, so that whole and partial groups occur.
    """

    side: int = 12
    blocks: int = 4
    layers: int = 3
    budget: int = 6000


@dataclass
class RandomProgram:
    """A window image, the program in it, what to compare afterwards, and what to make resident before.

    `outputs` lists (offset in words, bytes) of every STORE; the rest of the window must stay as it was.
    """

    image: np.ndarray
    program_offset: int
    n_descriptors: int
    outputs: list[tuple[int, int]]
    description: str
    fill_offset: int
    fill_entries: list[bytes] = field(default_factory=list)


_OWN = Flag.DEPTHWISE | Flag.MAXIMUM
_NAMES = [(bit, name.lower()) for name, bit in vars(Flag).items() if name.isupper()]


class _Generator:
    def __init__(self, rng: np.random.Generator, config: AcceleratorConfig, limits: Limits):
        self.config, self.limits = config, limits
        self.draw = Draw(rng)
        self.image = ImageBuilder()
        self.room = Room(self.image, self.draw, config)
        self.pb_next = 0
        self.entries: list[bytes] = []
        self.text: list[str] = []
        self.layers = [int(n) for n in rng.permutation(config.layers)]
        self.pooled: Tensor | None = None

    def layer(self, source: Tensor, kind: int, kernel: int, blocks: int, polyphase: bool) -> Tensor | None:
        """One layer with everything that it needs; the tensor it writes, or None when something does not fit."""
        draw, config = self.draw, self.config
        stride = 2 if source.polyphase else 1
        # A batch: the source's blocks are those of one image after those of another.
        fits = [n for n in (1, 2, 3, 4) if source.blocks % n == 0]
        images = int(draw.rng.choice(fits)) if draw.chance(0.5) else 1
        share = source.blocks // images
        blocks = min(blocks, share) if kind & _OWN else blocks
        flags = kind | Flag.STRIDE2 * (stride == 2) | Flag.POLYPHASE * polyphase
        # What an earlier layer pooled is the usual gate of a scale: the reader follows the writer closely.
        pooled = self.pooled if self.pooled and self.pooled.w >= blocks * images and draw.chance(0.6) else None
        flags |= Flag.TABLE * draw.chance(0.3) | Flag.RESIDUAL * draw.chance(0.35) | Flag.POOL * draw.chance(0.3)
        flags |= Flag.SCALE * draw.chance(0.8 if pooled else 0.25)
        # Half of the dense layers leave out what a split excludes, so that splits are frequent.
        split = draw.pick(1, most) if (most := config.groups.bit_length() - 1) and not kind and draw.chance(0.5) else 0
        flags &= ~(Flag.POOL | Flag.SCALE) if split else -1
        flags |= Flag.DISCARD * (bool(flags & Flag.POOL) and draw.chance(0.25))
        band = draw.band(source.h, stride, kernel // 2)
        ow, pixels = out_side(source.w, stride), band.rows * out_side(source.w, stride)
        ib = 1 if kind & _OWN else share
        d: dict[str, int] = {
            "opcode": Opcode.CONV, "flags": flags, "kernel": kernel, "split": split, "in_w": source.w,
            "in_h": band.in_h, "out_h": band.rows, "y_first": band.y_first, "out_blocks": blocks, "in_blocks": ib,
            "in_base": source.base + band.first * ow, "in_stride": source.stride, "in_phase": source.phase,
            "zp_in": source.zp, "layer": self.layers.pop(), "extra_images": images - 1,
            "in_image": share * source.stride, "pool_image": blocks, "scale_image": blocks, **draw.clamp()}
        words = ib * descriptor.taps(d)
        steps = images * -(-pixels // (config.lanes >> split)) * -(-blocks >> split) * words
        if 1 + words > config.ring_words or steps + 8 * blocks * words > self.limits.budget:
            return None
        out = self.room.tensor(band.rows, ow, blocks * images, polyphase, written=True)
        if out is None:
            return None
        d |= {"out_base": out.base, "out_stride": out.stride, "out_phase": out.phase,
              "out_image": blocks * out.stride}
        if flags & Flag.RESIDUAL:
            inplace = not polyphase and draw.chance(0.4)
            residual = out if inplace else self.room.tensor(band.rows, ow, blocks * images)
            if residual is None:
                return None
            d |= {"res_base": residual.base, "res_stride": residual.stride,
                  "res_image": blocks * residual.stride}
        if flags & Flag.SCALE:
            gate = pooled or self.room.tensor(1, blocks * images, 1)
            if gate is None:
                return None
            d["scale_base"] = gate.base
        if flags & (Flag.RESIDUAL | Flag.SCALE):
            d |= draw.addition()
        if flags & Flag.TABLE:
            d["table_offset"] = self.image.put(draw.int8(256))
        if flags & Flag.POOL:
            self.pooled = self.room.tensor(1, blocks * images, 1)
            if self.pooled is None:
                return None
            d |= draw.pool(pixels) | {"pool_base": self.pooled.base}
        if not kind and kernel == 1 and draw.chance(0.6):
            d |= self._operand(d)
        else:
            d |= self._weights(d, kind)
        products = kernel * kernel * (1 if kind else 8 * ib)
        spread = 75.0 if kind & Flag.MAXIMUM else 5400.0 * np.sqrt(products)
        d["param_offset"] = self.image.put(draw.params(8 * blocks, spread))
        out.zp = draw.zero_point()
        self.room.descriptors += self._cut(d, ow)
        self.room.store(out, operand=d["act_min"] > -128)
        if self.pooled and flags & Flag.POOL:
            self.room.store(self.pooled)
        self.text.append(f"{source.h}x{source.w}x{8 * source.blocks} k{kernel} rows {band.y_first}+{band.rows} of "
                         f"{band.in_h} split {split} x{images} -> {band.rows}x{ow}x{8 * blocks} "
                         f"{'+'.join(name for bit, name in _NAMES if d['flags'] & bit) or 'plain'}")
        return out

    def _cut(self, d: dict[str, int], width: int) -> list[dict[str, int]]:
        """The layer as one descriptor, or as two that compute the upper and the lower rows of the same tensor."""
        row = self.draw.pick(1, max(1, d["out_h"] - 1))
        if d["flags"] & Flag.POLYPHASE:
            row -= row % 2
        if d["flags"] & Flag.POOL or not 0 < row < d["out_h"] or not self.draw.chance(0.25):
            return [d]
        moved = row // 2 * out_side(width, 2) if d["flags"] & Flag.POLYPHASE else row * width
        lower = {"y_first": d["y_first"] + row, "out_h": d["out_h"] - row, "in_base": d["in_base"] + row * width,
                 "out_base": d["out_base"] + moved, "res_base": d.get("res_base", 0) + row * width}
        parts = [d | {"out_h": row}, d | lower]
        return parts if self.draw.chance(0.5) else parts[::-1]

    def _operand(self, d: dict[str, int]) -> dict[str, int]:
        """The second operand of a product: if one is large enough, a tensor that was stored before."""
        draw, flags = self.draw, d["flags"] | Flag.PRODUCT | Flag.TRANSPOSE * self.draw.chance(0.5)
        rows, columns = d["in_blocks"], d["out_blocks"]
        if flags & Flag.TRANSPOSE:
            rows, columns = columns, rows
        stride = columns + draw.pick(0, 2)
        need = (rows - 1) * stride + columns
        stored = [(at, words) for at, words in self.room.operands if words >= need]
        if stored and draw.chance(0.8):
            at, words = stored[draw.pick(0, len(stored) - 1)]
            at += draw.pick(0, words - need)
        else:
            at = self.image.put(draw.int8(need, 8, 8, low=-127))
        return {"flags": flags, "mem_offset": at, "w_taps": stride, "w_blocks": draw.pick(0, 3)}

    def _weights(self, d: dict[str, int], kind: int) -> dict[str, int]:
        """Stored weights that are larger than what the layer uses, and perhaps a box of them to make resident."""
        draw, taps, ib = self.draw, descriptor.taps(d), d["in_blocks"]
        full = (1, 3, 5, 7) if kind & Flag.DEPTHWISE else (1, 9, 25, 49)
        w_taps = int(draw.rng.choice([t for t in full if t >= taps][:2]))
        w_blocks = 1 if kind else ib + draw.pick(0, 1)
        shared = draw.chance(0.4 if kind else 0.15)
        w_out = 1 if shared else d["out_blocks"] + draw.pick(0, 1)
        shape = (w_out, w_blocks, w_taps, 8)
        offset = self.image.put(pack_depthwise(draw.int8(*shape, 7, low=-127)) if kind & Flag.DEPTHWISE
                                else pack_dense(draw.int8(*shape, 8, low=-127)))
        where = {"mem_offset": offset, "w_taps": w_taps, "w_blocks": w_blocks}
        box = {"out_blocks": draw.pick(1, w_out), "in_blocks": draw.pick(1, w_blocks), "taps": draw.pick(1, w_taps)}
        base = self.pb_next + draw.pick(0, 3)
        if draw.chance(0.6) and base + residency.size(box) <= self.config.pb_words:
            self.entries.append(residency.pack(layer=d["layer"], pb_base=base, **box, **where))
            if draw.chance(0.15):
                self.entries.append(residency.pack(layer=d["layer"]))
            else:
                self.pb_next = base + residency.size(box)
        return where | ({"w_blocks": 0} if shared else {})

    def build(self) -> RandomProgram | None:
        """The whole program; None when no layer fitted."""
        draw, side, most = self.draw, self.limits.side, self.limits.blocks
        self.image.reserve(draw.pick(0, 3))
        source = self.room.tensor(draw.pick(1, side), draw.pick(1, side), draw.pick(1, most),
                                  polyphase=draw.chance(0.55))
        for n in range(min(draw.pick(1, self.limits.layers), self.config.layers)):
            if source is None:
                break
            if source.polyphase and draw.chance(0.1):
                source = source.plane(draw.pick(0, 3))
            kind = int(draw.rng.choice([0, Flag.DEPTHWISE, Flag.MAXIMUM], p=[0.5, 0.28, 0.22]))
            kernel = int(draw.rng.choice((3, 5, 7) if kind & Flag.MAXIMUM else (1, 3, 5, 7)))
            blocks = draw.pick(1, source.blocks) if kind else draw.pick(1, most + self.config.groups - 1)
            out = self.layer(source, kind, kernel, blocks, draw.chance(0.45))
            if out is None:
                continue
            # A discarded tensor holds the random bytes that were loaded: as good an input as any.
            source = out if draw.chance(0.8) else self.room.tensor(draw.pick(1, side), draw.pick(1, side), 1 + n % 2)
        if not self.text:
            return None
        fill_offset = self.image.reserve(max(1, len(self.entries)))
        program = self.image.program(self.room.descriptors)
        self.image.reserve(1)
        return RandomProgram(self.image.image(), program, len(self.room.descriptors), self.room.outputs,
                             "; ".join(self.text), fill_offset, self.entries)


def random_program(rng: np.random.Generator, config: AcceleratorConfig, limits: Limits | None = None) -> RandomProgram:
    """A random valid program: LOADs, one to `limits.layers` layers, and a STORE of every tensor that they write."""
    limits = limits or Limits()
    while True:
        program = _Generator(rng, config, limits).build()
        if program is not None:
            return program


def execute(driver: Driver, program: RandomProgram, *, resident: bool = True,
            timeout_s: float = 60.0) -> tuple[np.ndarray, Counters]:
    """Reset the device, attach a window, fill, run; returns the whole window afterwards and the counters.

    With `resident` False nothing is made resident; the result must not change.
    Raises what :meth:`Driver.fill` and :meth:`Driver.run` raise.
    """
    driver.reset()
    driver.attach(program.image.size)
    driver.write(0, program.image)
    if program.fill_entries:
        driver.write(program.fill_offset, b"".join(program.fill_entries))
        if resident:
            driver.fill(program.fill_entries, program.fill_offset, timeout_s)
    counters = driver.run(program.program_offset, program.n_descriptors, timeout_s)
    return driver.read(0, program.image.size // WORD * WORD), counters
