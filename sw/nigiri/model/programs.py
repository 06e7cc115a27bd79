"""Random small programs, valid for a configuration: what a device must compute exactly as the golden model does."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nigiri.model.conv import out_side
from nigiri.model.image import ImageBuilder, pack_dense, pack_depthwise, pack_params
from nigiri.runtime.counters import Counters
from nigiri.runtime.driver import WORD, Driver
from nigiri.spec import residency
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["Limits", "RandomProgram", "execute", "random_program"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes of random programs.

    Parameters
    ----------
    side, blocks, layers: largest map side, channels / 8 and number of CONVs.
    budget: largest number of array steps plus 8 times the weight words of a CONV, roughly its cycles.
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


@dataclass
class _Tensor:
    """A tensor in the activation buffer inside a region that LOAD and STORE can move (multiples of 8 pixel words)."""

    region: int
    length: int
    base: int
    stride: int
    phase: int
    blocks: int
    h: int
    w: int
    zp: int

    @property
    def polyphase(self) -> bool:
        return self.phase > 0


class _Generator:
    def __init__(self, rng: np.random.Generator, config: AcceleratorConfig, limits: Limits):
        self.rng, self.config, self.limits = rng, config, limits
        self.image = ImageBuilder()
        self.ab_next = int(rng.integers(config.ab_words // 8)) * 8
        self.ab_left = config.ab_words
        self.pb_next = 0
        self.entries: list[bytes] = []
        self.descriptors: list[dict[str, int]] = []
        self.outputs: list[tuple[int, int]] = []
        self.text: list[str] = []
        self.layers = [int(n) for n in rng.permutation(config.layers)]
        self.extreme = self.chance(0.1)

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, low: int, high: int) -> int:
        """Uniform integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def int8(self, *shape: int, low: int = -128) -> np.ndarray:
        """Random bytes; only the two extremes in a program that stresses the sums."""
        if self.extreme:
            return self.rng.choice(np.array([low, 127], np.int8), shape)
        return self.rng.integers(low, 128, shape).astype(np.int8)

    # activation buffer

    def tensor(self, h: int, w: int, blocks: int, polyphase: bool = False, written: bool = False) -> _Tensor | None:
        """Room for a tensor, filled with random bytes by a LOAD so that gaps are compared too; None if it is too large.

        A polyphase tensor that a CONV writes obeys the rule for `out_phase`; others have any phase stride.
        """
        size, phase, plane = h * w, 0, out_side(h, 2) * out_side(w, 2)
        if polyphase:
            banks = self.config.banks
            phase = plane + ((banks // 2 - plane) % banks + banks * self.pick(0, 1) if written else self.pick(0, 3))
            size = 3 * phase + plane
        stride, lead = size + self.pick(0, 5), self.pick(0, 7)
        length = -(-(lead + (blocks - 1) * stride + size) // 8) * 8
        if length > self.ab_left:
            return None
        region = self.ab_next % self.config.ab_words
        self.ab_next += length
        self.ab_left -= length
        region += self.config.ab_words * self.pick(1, 1000) if self.chance(0.1) else 0
        offset = self.image.put(self.int8(length, 8))
        self.descriptors.append({"opcode": Opcode.LOAD, "out_base": region, "length": length, "mem_offset": offset})
        return _Tensor(region, length, region + lead, stride, phase, blocks, h, w, self.pick(-128, 127))

    def store(self, t: _Tensor) -> None:
        self.image.reserve(self.pick(0, 1))
        offset = self.image.reserve(t.length // 8)
        self.outputs.append((offset, 8 * t.length))
        self.descriptors.append({"opcode": Opcode.STORE, "in_base": t.region, "length": t.length, "mem_offset": offset})

    # layers

    def scale(self, factor: float) -> tuple[int, int]:
        """A multiplier of 16 bits and a shift of 6 whose ratio is about `factor`, sometimes anything."""
        if self.chance(0.05):
            return self.pick(0, 65535), self.pick(0, 63)
        shift = min(63, max(0, self.pick(10, 15) - int(np.floor(np.log2(factor)))))
        return int(np.clip(factor * 2.0**shift, 1, 65535)), shift

    def params(self, channels: int, products: int) -> bytes:
        spread = 5400.0 * np.sqrt(products) * (2 if self.extreme else 1)
        scales = [self.scale(float(self.rng.uniform(0.2, 1.5)) * 40 / spread) for _ in range(channels)]
        bias = [self.pick(-2**31, 2**31 - 1) if self.chance(0.03) else int(self.rng.normal(0, spread))
                for _ in range(channels)]
        return pack_params(bias, [m for m, _ in scales], [s for _, s in scales])

    def conv(self, source: _Tensor, flags: int, kernel: int, blocks: int, polyphase: bool) -> _Tensor | None:
        """One CONV with everything that it needs; the tensor it writes, or None when something does not fit."""
        depthwise = bool(flags & Flag.DEPTHWISE)
        stride = 2 if source.polyphase else 1
        oh, ow = out_side(source.h, stride), out_side(source.w, stride)
        ib = 1 if depthwise else source.blocks
        d: dict[str, int] = {"opcode": Opcode.CONV, "kernel": kernel, "in_w": source.w, "in_h": source.h,
                             "out_blocks": blocks, "in_blocks": ib, "in_base": source.base, "in_stride": source.stride,
                             "in_phase": source.phase, "zp_in": source.zp, "layer": self.layers.pop(), "out_h": oh}
        taps = kernel if depthwise else kernel * kernel
        steps = -(-oh * ow // self.config.lanes) * blocks * ib * taps
        if 1 + ib * taps > self.config.ring_words or steps + 8 * blocks * ib * taps > self.limits.budget:
            return None
        out = self.tensor(oh, ow, blocks, polyphase, written=True)
        residual = out if out and not polyphase and self.chance(0.15) else self.tensor(oh, ow, blocks)
        pool = self.tensor(1, blocks, 1)
        if not (out and residual and pool):
            return None
        d |= {"out_base": out.base, "out_stride": out.stride, "out_phase": out.phase}
        d |= self._weights(d, depthwise, ib, taps)
        d["param_offset"] = self.image.put(self.params(8 * blocks, kernel * kernel * (1 if depthwise else 8 * ib)))
        flags |= Flag.STRIDE2 * (stride == 2) | Flag.POLYPHASE * polyphase
        flags |= Flag.TABLE * self.chance(0.3) | Flag.RESIDUAL * self.chance(0.4) | Flag.POOL * self.chance(0.3)
        if flags & Flag.POOL and self.chance(0.2):
            flags |= Flag.DISCARD
        if flags & Flag.TABLE:
            d["table_offset"] = self.image.put(self.int8(256))
        if flags & Flag.RESIDUAL:
            d |= self._residual(residual)
        if flags & Flag.POOL:
            mult, shift = self.scale(float(self.rng.uniform(0.5, 2)) / (oh * ow))
            d |= {"pool_base": pool.base, "pool_mult": mult, "pool_shift": shift, "pool_zp": self.pick(-128, 127),
                  "pool_offset": self.pick(-128 * oh * ow, 128 * oh * ow)}
        d |= self._clamp()
        out.zp = self.pick(-128, 127)
        self.descriptors.append(d | {"flags": flags})
        self.store(out)
        if flags & Flag.POOL:
            self.store(pool)
        names = [n for n in ("DEPTHWISE", "STRIDE2", "TABLE", "RESIDUAL", "POLYPHASE", "POOL", "DISCARD")
                 if flags & getattr(Flag, n)]
        self.text.append(f"{source.h}x{source.w}x{8 * source.blocks} k{kernel} -> {oh}x{ow}x{8 * blocks} "
                         f"{'+'.join(names).lower() or 'plain'}")
        return out

    def _residual(self, t: _Tensor) -> dict[str, int]:
        mult_y, shift = self.scale(float(self.rng.uniform(0.2, 1.2)))
        mult_r = int(np.clip(2.0**min(shift, 15) * self.rng.uniform(0.2, 1.2), 0, 65535))
        return {"res_base": t.base, "res_stride": t.stride, "res_mult_y": mult_y, "res_mult_r": mult_r,
                "res_shift": shift, "zp_y": self.pick(-128, 127), "zp_res": self.pick(-128, 127),
                "zp_sum": self.pick(-128, 127)}

    def _clamp(self) -> dict[str, int]:
        zp, kind = self.pick(-128, 127), self.pick(0, 3)
        low, high = sorted((self.pick(-128, 127), self.pick(-128, 127)))
        low, high = ((-128, 127), (-128, 127), (zp, 127), (low, high))[kind]
        return {"zp_out": zp, "act_min": low, "act_max": high}

    def _weights(self, d: dict[str, int], depthwise: bool, ib: int, taps: int) -> dict[str, int]:
        """Stored weights that are larger than what the layer uses, and perhaps a box of them to make resident."""
        full = (3, 5, 7) if depthwise else (1, 9, 25, 49)
        w_taps = int(self.rng.choice([t for t in full if t >= taps][:2]))
        w_blocks = 1 if depthwise else ib + self.pick(0, 1)
        w_out = d["out_blocks"] + self.pick(0, 1)
        shape = (w_out, w_blocks, w_taps, 8)
        offset = self.image.put(pack_depthwise(self.int8(*shape, 7, low=-127)) if depthwise
                                else pack_dense(self.int8(*shape, 8, low=-127)))
        where = {"mem_offset": offset, "w_taps": w_taps, "w_blocks": w_blocks}
        box = {"out_blocks": self.pick(1, w_out), "in_blocks": self.pick(1, w_blocks), "taps": self.pick(1, w_taps)}
        base = self.pb_next + self.pick(0, 3)
        if self.chance(0.6) and base + residency.size(box) <= self.config.pb_words:
            self.entries.append(residency.pack(layer=d["layer"], pb_base=base, **box, **where))
            if self.chance(0.15):
                self.entries.append(residency.pack(layer=d["layer"]))
            else:
                self.pb_next = base + residency.size(box)
        return where

    def build(self) -> RandomProgram | None:
        """The whole program; None when no layer fitted."""
        self.image.reserve(self.pick(0, 3))
        side = self.limits.side
        source = self.tensor(self.pick(1, side), self.pick(1, side), self.pick(1, self.limits.blocks),
                             polyphase=self.chance(0.35))
        for n in range(min(self.pick(1, self.limits.layers), self.config.layers)):
            if source is None:
                break
            depthwise = self.chance(0.4)
            kernel = int(self.rng.choice((3, 5, 7) if depthwise else (1, 1, 3, 5, 7)))
            blocks = self.pick(1, source.blocks) if depthwise else self.pick(1, self.limits.blocks)
            out = self.conv(source, Flag.DEPTHWISE * depthwise, kernel, blocks, self.chance(0.3))
            if out is None:
                continue
            # A discarded tensor holds the random bytes that were loaded: as good an input as any.
            source = out if self.chance(0.8) else self.tensor(self.pick(1, side), self.pick(1, side), 1 + n % 2)
        if not self.text:
            return None
        fill_offset = self.image.reserve(max(1, len(self.entries)))
        program = self.image.program(self.descriptors)
        self.image.reserve(1)
        return RandomProgram(self.image.image(), program, len(self.descriptors), self.outputs, "; ".join(self.text),
                             fill_offset, self.entries)


def random_program(rng: np.random.Generator, config: AcceleratorConfig, limits: Limits | None = None) -> RandomProgram:
    """A random valid program: LOADs, one to `limits.layers` CONVs, and a STORE of every tensor that they write."""
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
