"""The golden machine against an interpreter written another way: torch convolutions, Python integers."""
import struct

import numpy as np
import pytest

from nigiri.model import GoldenDevice
from nigiri.model.image import ImageBuilder, pack_params
from nigiri.model.programs import execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.spec import arith, descriptor, get_config
from nigiri.spec.descriptor import Flag, Opcode

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
TINY = get_config("tiny")
SLOTS = {1: [-3, -2, -1, 0, 1, 2, 3], 2: [-2, 0, 2, -3, -1, 1, 3]}


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


class Reference:
    """Activation buffer as a dict from pixel word to 8 values; memory as bytes."""

    def __init__(self, image: bytes, ab_words: int):
        self.memory, self.ab_words, self.ab = bytearray(image), ab_words, {}

    def get(self, address: int) -> list[int]:
        return self.ab.get(address % self.ab_words, [0] * 8)

    def put(self, address: int, values) -> None:
        self.ab[address % self.ab_words] = [int(v) for v in values]

    def run(self, offset: int, length: int) -> bytes:
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

    def kernel_of(self, d, stride: int, ob: int) -> "torch.Tensor":
        """[8, inputs, k, k] of an output block; depthwise [8, 1, k, k]."""
        k, r = d["kernel"], d["kernel"] // 2
        depthwise = bool(d["flags"] & Flag.DEPTHWISE)
        kernel = torch.zeros(8, 1 if depthwise else 8 * d["in_blocks"], k, k, dtype=torch.float64)
        if depthwise:
            for row in range(k):
                dy = (row + 1) // 2 * (-1 if row % 2 else 1)
                at = 64 * (d["mem_offset"] + ob * d["w_blocks"] * d["w_taps"] + row)
                for o in range(8):
                    for slot, dx in enumerate(SLOTS[stride]):
                        if abs(dx) <= r:
                            kernel[o, 0, dy + r, dx + r] = signed(self.memory[at + 8 * o + slot])
            return kernel
        rings = [(y, x) for ring in range(r + 1) for y in range(-ring, ring + 1) for x in range(-ring, ring + 1)
                 if max(abs(y), abs(x)) == ring]
        for ib in range(d["in_blocks"]):
            for t, (dy, dx) in enumerate(rings):
                at = 64 * (d["mem_offset"] + (ob * d["w_blocks"] + ib) * d["w_taps"] + t)
                word = torch.tensor([signed(b) for b in self.memory[at:at + 64]], dtype=torch.float64)
                kernel[:, 8 * ib:8 * ib + 8, dy + r, dx + r] = word.reshape(8, 8)
        return kernel

    def conv(self, d) -> None:
        flags, stride, r = d["flags"], 2 if d["flags"] & Flag.STRIDE2 else 1, d["kernel"] // 2
        h, w = d["in_h"], d["in_w"]
        oh, ow = (h + stride - 1) // stride, (w + stride - 1) // stride

        def place(y, x, width, polyphase, phase):
            if not polyphase:
                return y * width + x
            return (2 * (y & 1) + (x & 1)) * phase + (y >> 1) * -(-width // 2) + (x >> 1)

        for ob in range(d["out_blocks"]):
            source = [ob] if flags & Flag.DEPTHWISE else range(d["in_blocks"])
            x = np.zeros((8 * len(source), h, w))
            for n, b in enumerate(source):
                for py in range(h):
                    for px in range(w):
                        at = d["in_base"] + b * d["in_stride"] + place(py, px, w, stride == 2, d["in_phase"])
                        x[8 * n:8 * n + 8, py, px] = self.get(at)
            padded = torch.nn.functional.pad(torch.from_numpy(x)[None], (r, r, r, r), value=d["zp_in"])
            acc = torch.nn.functional.conv2d(padded, self.kernel_of(d, stride, ob), stride=stride,
                                             groups=8 if flags & Flag.DEPTHWISE else 1)[0]
            params = list(struct.iter_unpack("<iHBx", self.memory[64 * (d["param_offset"] + ob):][:64]))
            sums = [0] * 8
            for py in range(oh):
                for px in range(ow):
                    values = [self.finish(d, int(acc[c, py, px]), params[c], c,
                                          d["res_base"] + ob * d["res_stride"] + py * ow + px) for c in range(8)]
                    sums = [s + v for s, v in zip(sums, values, strict=True)]
                    if not flags & Flag.DISCARD:
                        at = place(py, px, ow, flags & Flag.POLYPHASE, d["out_phase"])
                        self.put(d["out_base"] + ob * d["out_stride"] + at, values)
            if flags & Flag.POOL:
                self.put(d["pool_base"] + ob, [arith.requantise(arith.wrap32(s), d["pool_offset"], d["pool_mult"],
                                                                d["pool_shift"], d["pool_zp"]) for s in sums])

    def finish(self, d, acc: int, params, c: int, residual: int) -> int:
        v = arith.requantise(arith.wrap32(acc), *params, d["zp_out"])
        if d["flags"] & Flag.TABLE:
            v = signed(self.memory[64 * d["table_offset"] + (v & 0xFF)])
        if d["flags"] & Flag.RESIDUAL:
            v = arith.add_residual(v, self.get(residual)[c], mult_y=d["res_mult_y"], mult_r=d["res_mult_r"],
                                   shift=d["res_shift"], zp_y=d["zp_y"], zp_res=d["zp_res"], zp_sum=d["zp_sum"])
        return arith.clamp(v, d["act_min"], d["act_max"])


def run_golden(image: np.ndarray, offset: int, length: int) -> bytes:
    with Driver(GoldenDevice(TINY, 1 << 20)) as driver:
        driver.attach(image.size)
        driver.write(0, image)
        driver.run(offset, length)
        return driver.read(0, image.size).tobytes()


def one_layer(rng, h: int, w: int, kernel: int, stride: int, ib: int, ob: int, flags: int = 0):
    """LOAD everything that the layer touches, run it, STORE all of it."""
    flags |= Flag.STRIDE2 if stride == 2 else 0
    depthwise = bool(flags & Flag.DEPTHWISE)
    taps, room = kernel if depthwise else kernel * kernel, 8 * -(-h * w // 8) + 16
    weights = rng.integers(-127, 128, (ob, 1 if depthwise else ib, taps, 8, 8)).astype(np.int8)
    image = ImageBuilder()
    length = (ib + ob + 5) * room
    content = image.put(rng.integers(-128, 128, (length, 8)).astype(np.int8))
    c = 8 * ob
    d = {"opcode": Opcode.CONV, "flags": flags, "kernel": kernel, "in_w": w, "in_h": h, "out_blocks": ob,
         "in_blocks": 1 if depthwise else ib, "in_base": 3, "in_stride": room,
         "in_phase": (h + 1) // 2 * ((w + 1) // 2) + 1, "out_base": (ib + 3) * room, "out_stride": room,
         "out_phase": TINY.banks * 3 // 2, "w_taps": taps, "w_blocks": weights.shape[1],
         "mem_offset": image.put(weights),
         "param_offset": image.put(pack_params(*(rng.integers(*r, c).tolist() for r in (
             (-20000, 20000), (0, 65536), (22, 28))))),
         "table_offset": image.put(rng.integers(0, 256, 256).astype(np.uint8)), "zp_in": -37, "zp_out": 5,
         "act_min": -100, "act_max": 110, "res_base": ib * room + 1, "res_stride": room,
         "res_mult_y": 30000, "res_mult_r": 20000, "res_shift": 15, "zp_y": 3, "zp_res": -7, "zp_sum": 11,
         "pool_base": length - ob, "pool_mult": 40000,
         "pool_shift": 20, "pool_zp": 9, "pool_offset": -500}
    store = image.reserve(length // 8)
    program = image.program([
        {"opcode": Opcode.LOAD, "out_base": 0, "length": length, "mem_offset": content}, d,
        {"opcode": Opcode.STORE, "in_base": 0, "length": length, "mem_offset": store}])
    return image.image(), program


def check(image: np.ndarray, program: int, length: int) -> None:
    assert run_golden(image, program, length) == Reference(image.tobytes(), TINY.ab_words).run(program, length)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel, depthwise", [(1, 0), (3, 0), (5, 0), (7, 0), (3, 1), (5, 1), (7, 1)])
def test_convolution(kernel, depthwise, stride):
    for h, w in ((7, 7), (5, 3), (1, 1), (6, 4)):
        rng = np.random.default_rng([h, w, kernel, stride])
        check(*one_layer(rng, h, w, kernel, stride, 2, 2, Flag.DEPTHWISE * depthwise), 3)


@pytest.mark.parametrize("flags", [Flag.TABLE, Flag.RESIDUAL, Flag.POLYPHASE, Flag.POOL, Flag.POOL | Flag.DISCARD,
                                   Flag.TABLE | Flag.RESIDUAL | Flag.POOL, Flag.RESIDUAL | Flag.POLYPHASE])
@pytest.mark.parametrize("stride", [1, 2])
def test_after_the_accumulators(flags, stride):
    check(*one_layer(np.random.default_rng(flags), 5, 7, 3, stride, 1, 2, flags), 3)


def test_fully_connected():
    check(*one_layer(np.random.default_rng(1), 1, 1, 1, 1, 20, 3), 3)


def test_shifts_and_multipliers_at_their_limits():
    """Every shift, the largest multiplier, sums that wrap: one output block of 1x1 layers, by parameters alone."""
    rng = np.random.default_rng(2)
    image, program = one_layer(rng, 2, 2, 1, 1, 1, 8)
    d = descriptor.unpack(image[64 * program + 128:][:128].tobytes())
    params = pack_params([2**31 - 1, -2**31] * 32, [65535] * 64, range(64))
    image[64 * d["param_offset"]:][:512] = np.frombuffer(params, np.uint8)
    check(image, program, 3)


@pytest.mark.parametrize("first", range(0, 25, 5))
def test_random_programs(first):
    for seed in range(first, first + 5):
        print("seed", seed)
        p = random_program(np.random.default_rng(seed), TINY)
        want = bytearray(Reference(p.image.tobytes(), TINY.ab_words).run(p.program_offset, p.n_descriptors))
        for n, entry in enumerate(p.fill_entries):
            want[64 * (p.fill_offset + n):64 * (p.fill_offset + n + 1)] = entry
        got, _ = execute(Driver(GoldenDevice(TINY, 1 << 20)), p)
        assert got.tobytes() == want, p.description
