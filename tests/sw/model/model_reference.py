"""The specification's loop nest, pixel by pixel on addresses: what the golden machine is compared with."""
from __future__ import annotations

import struct

import numpy as np

from nigiri.model import GoldenDevice
from nigiri.model.image import ImageBuilder, pack_params
from nigiri.runtime.driver import Driver
from nigiri.spec import arith, descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["Reference", "check", "descriptors", "one_layer", "run_golden"]

SLOTS = {1: [-3, -2, -1, 0, 1, 2, 3], 2: [-2, 0, 2, -3, -1, 1, 3]}


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def rings(radius: int) -> list[tuple[int, int]]:
    """(dy, dx) of dense taps, ring by ring from the centre."""
    return [(y, x) for ring in range(radius + 1) for y in range(-ring, ring + 1) for x in range(-ring, ring + 1)
            if max(abs(y), abs(x)) == ring]


class Reference:
    """Activation buffer of Python-sized integers, [ab_words, 8]; memory as bytes; no persistent buffer."""

    def __init__(self, image: bytes, ab_words: int):
        self.memory, self.ab = bytearray(image), np.zeros((ab_words, 8), np.int64)

    def get(self, address: int) -> np.ndarray:
        return self.ab[address % len(self.ab)]

    def put(self, address: int, values) -> None:
        self.ab[address % len(self.ab)] = [int(v) for v in values]

    def run(self, offset: int, length: int) -> bytes:
        """The memory after `length` descriptors at word `offset`."""
        for n in range(length):
            d = descriptor.unpack(bytes(self.memory[64 * offset + 128 * n:][:128]))
            if d["opcode"] == Opcode.LOAD:
                for p in range(d["length"]):
                    self.put(d["out_base"] + p, struct.unpack_from("8b", self.memory, 64 * d["mem_offset"] + 8 * p))
            elif d["opcode"] == Opcode.STORE:
                for p in range(d["length"]):
                    struct.pack_into("8b", self.memory, 64 * d["mem_offset"] + 8 * p, *self.get(d["in_base"] + p))
            else:
                self.conv(d)
        return bytes(self.memory)

    def word(self, offset: int) -> np.ndarray:
        return np.frombuffer(self.memory, np.int8, 64, 64 * offset).astype(np.int64).reshape(8, 8)

    def tap(self, d, ib: int, y: int, x: int, dy: int, dx: int) -> np.ndarray:
        """The 8 input channels that output pixel (y, x) sees at (dy, dx), addressed from `in_base` alone."""
        stride = 2 if d["flags"] & Flag.STRIDE2 else 1
        row, column = stride * (d["y_first"] + y) + dy, stride * x + dx
        if not (0 <= row < d["in_h"] and 0 <= column < d["in_w"]):
            return np.full(8, d["zp_in"])
        at = d["in_base"] + ib * d["in_stride"]
        if stride == 1:
            return self.get(at + (y + dy) * d["in_w"] + x + dx)
        plane = 2 * (dy & 1) + (dx & 1)
        return self.get(at + plane * d["in_phase"] + (y + (dy >> 1)) * -(-d["in_w"] // 2) + x + (dx >> 1))

    def accumulate(self, d, ob: int, y: int, x: int) -> np.ndarray:
        """acc[0:8] of one output pixel."""
        radius, stride = d["kernel"] // 2, 2 if d["flags"] & Flag.STRIDE2 else 1
        at = d["mem_offset"] + ob * d["w_blocks"] * d["w_taps"]
        if d["flags"] & Flag.MAXIMUM:
            return np.max([self.tap(d, ob, y, x, *t) for t in rings(radius)], axis=0)
        acc = np.zeros(8, np.int64)
        if d["flags"] & Flag.DEPTHWISE:
            for row in range(d["kernel"]):
                w, dy = self.word(at + row), (row + 1) // 2 * (-1 if row % 2 else 1)
                for slot, dx in enumerate(SLOTS[stride]):
                    if abs(dx) <= radius:
                        acc += w[:, slot] * self.tap(d, ob, y, x, dy, dx)
            return acc
        if d["flags"] & Flag.PRODUCT:
            for ib in range(d["in_blocks"]):
                swap = d["flags"] & Flag.TRANSPOSE
                w = self.word(d["mem_offset"] + (ob * d["w_taps"] + ib if swap else ib * d["w_taps"] + ob))
                acc += (w.T if swap else w) @ self.tap(d, ib, y, x, 0, 0)
            return acc
        for ib in range(d["in_blocks"]):
            for t, (dy, dx) in enumerate(rings(radius)):
                acc += self.word(at + ib * d["w_taps"] + t) @ self.tap(d, ib, y, x, dy, dx)
        return acc

    def conv(self, d) -> None:
        for ob in range(d["out_blocks"]):
            for n in range(d["extra_images"] + 1):
                moved = {f"{key}_base": d[f"{key}_base"] + n * d[f"{key}_image"]
                         for key in ("in", "out", "res", "pool", "scale")}
                self.block({**d, **moved}, ob)

    def block(self, d, ob: int) -> None:
        """One output block of one image."""
        flags, width = d["flags"], -(-d["in_w"] // 2) if d["flags"] & Flag.STRIDE2 else d["in_w"]
        params = list(struct.iter_unpack("<iHBx", self.memory[64 * (d["param_offset"] + ob):][:64]))
        codes, sums = self.get(d["scale_base"] + ob).tolist(), [0] * 8
        for y in range(d["out_h"]):
            for x in range(width):
                acc = self.accumulate(d, ob, y, x)
                residual = self.get(d["res_base"] + ob * d["res_stride"] + y * width + x).tolist()
                values = [self.finish(d, int(acc[c]), params[c], residual[c], codes[c]) for c in range(8)]
                sums = [s + v for s, v in zip(sums, values, strict=True)]
                at = y * width + x
                if flags & Flag.POLYPHASE:
                    at = (2 * (y & 1) + (x & 1)) * d["out_phase"] + (y >> 1) * -(-width // 2) + (x >> 1)
                if not flags & Flag.DISCARD:
                    self.put(d["out_base"] + ob * d["out_stride"] + at, values)
        if flags & Flag.POOL:
            self.put(d["pool_base"] + ob, [arith.requantise(arith.wrap32(s), d["pool_offset"], d["pool_mult"],
                                                            d["pool_shift"], d["pool_zp"]) for s in sums])

    def finish(self, d, acc: int, params, residual: int, code: int) -> int:
        """One channel after the accumulator."""
        v = arith.requantise(arith.wrap32(acc), *params, d["zp_out"])
        if d["flags"] & Flag.TABLE:
            v = signed(self.memory[64 * d["table_offset"] + (v & 0xFF)])
        if d["flags"] & (Flag.RESIDUAL | Flag.SCALE):
            mult = arith.scale_factor(code, d["res_mult_y"]) if d["flags"] & Flag.SCALE else d["res_mult_y"]
            mult_r = d["res_mult_r"] if d["flags"] & Flag.RESIDUAL else 0
            v = arith.add_residual(v, residual, mult_y=mult, mult_r=mult_r, shift=d["res_shift"], zp_y=d["zp_y"],
                                   zp_res=d["zp_res"], zp_sum=d["zp_sum"])
        return arith.clamp(v, d["act_min"], d["act_max"])


def run_golden(config: AcceleratorConfig, image: np.ndarray, offset: int, length: int) -> bytes:
    with Driver(GoldenDevice(config, 1 << 20)) as driver:
        driver.attach(image.size)
        driver.write(0, image)
        driver.run(offset, length)
        return driver.read(0, image.size).tobytes()


def descriptors(image: np.ndarray, offset: int, length: int) -> list[dict[str, int]]:
    """The program in a window image, unpacked."""
    return [descriptor.unpack(image[64 * offset + 128 * n:][:128].tobytes()) for n in range(length)]


def one_layer(config: AcceleratorConfig, rng: np.random.Generator, h: int, w: int, kernel: int, stride: int, ib: int,
              ob: int, flags: int = 0, **fields: int) -> tuple[np.ndarray, int]:
    """LOAD everything that the layer touches, run it, STORE all of it: (image, program of 3).  `fields` override."""
    flags |= Flag.STRIDE2 if stride == 2 else 0
    taps, own = kernel if flags & Flag.DEPTHWISE else kernel * kernel, flags & (Flag.DEPTHWISE | Flag.MAXIMUM)
    room = 8 * -(-h * w // 8) + 16
    weights = rng.integers(-127, 128, (ob, 1 if own else ib, taps, 8, 8)).astype(np.int8)
    image = ImageBuilder()
    out_phase = config.banks * 3 // 2
    span = room + 3 * out_phase
    length = 8 * -(-((ib + ob + 3) * room + ob * span) // 8)
    content = image.put(rng.integers(-128, 128, (length, 8)).astype(np.int8))
    scales = (((-100, 100), (0, 65536), (15, 18)) if flags & Flag.MAXIMUM else
              ((-20000, 20000), (0, 65536), (22, 28)))
    d = {"opcode": Opcode.CONV, "flags": flags, "kernel": kernel, "in_w": w, "in_h": h, "out_blocks": ob,
         "out_h": descriptor.out_rows(h, stride), "in_blocks": 1 if own else ib, "in_base": 3, "in_stride": room,
         "in_phase": (h + 1) // 2 * ((w + 1) // 2) + 1, "out_base": (ib + ob + 2) * room, "out_stride": span,
         "out_phase": out_phase, "w_taps": taps, "w_blocks": weights.shape[1],
         "mem_offset": image.put(weights),
         "param_offset": image.put(pack_params(*(rng.integers(*r, 8 * ob).tolist() for r in scales))),
         "table_offset": image.put(rng.integers(0, 256, 256).astype(np.uint8)), "zp_in": -37, "zp_out": 5,
         "act_min": -100, "act_max": 110, "res_base": ib * room + 1, "res_stride": room,
         "res_mult_y": 30000, "res_mult_r": 20000, "res_shift": 15, "zp_y": 3, "zp_res": -7, "zp_sum": 11,
         "pool_base": length - ob, "pool_mult": 40000, "scale_base": (ib + ob + 1) * room,
         "pool_shift": 20, "pool_zp": 9, "pool_offset": -500, **fields}
    store = image.reserve(length // 8)
    program = image.program([
        {"opcode": Opcode.LOAD, "out_base": 0, "length": length, "mem_offset": content}, d,
        {"opcode": Opcode.STORE, "in_base": 0, "length": length, "mem_offset": store}])
    return image.image(), program


def check(config: AcceleratorConfig, image: np.ndarray, program: int, length: int = 3) -> bytes:
    """Golden machine and reference agree on every byte of the window; returns it."""
    got = run_golden(config, image, program, length)
    assert got == Reference(image.tobytes(), config.ab_words).run(program, length)
    return got
