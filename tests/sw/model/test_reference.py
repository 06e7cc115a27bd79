"""The golden machine against an interpreter of the specification's loop nest, one pixel and one tap at a time."""
import numpy as np
import pytest
from model_reference import Reference, check, descriptors, one_layer, run_golden

from nigiri.model import GoldenDevice
from nigiri.model.image import pack_params
from nigiri.model.programs import execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.spec import descriptor, get_config
from nigiri.spec.descriptor import Flag

TINY, SMALL = get_config("tiny"), get_config("small")
KINDS = [(k, 0) for k in (1, 3, 5, 7)] + [(k, Flag.DEPTHWISE) for k in (1, 3, 5, 7)] + [
    (k, Flag.MAXIMUM) for k in (3, 5, 7)]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel, kind", KINDS)
def test_convolution(kernel, kind, stride):
    for h, w in ((7, 7), (5, 3), (1, 1), (6, 4)):
        check(TINY, *one_layer(TINY, np.random.default_rng([h, w, kernel, stride]), h, w, kernel, stride, 2, 2, kind))


@pytest.mark.parametrize("flags", [
    Flag.TABLE, Flag.RESIDUAL, Flag.POLYPHASE, Flag.POOL, Flag.POOL | Flag.DISCARD, Flag.SCALE,
    Flag.TABLE | Flag.RESIDUAL | Flag.POOL, Flag.RESIDUAL | Flag.POLYPHASE, Flag.SCALE | Flag.RESIDUAL,
    Flag.SCALE | Flag.TABLE | Flag.POOL | Flag.POLYPHASE, Flag.MAXIMUM | Flag.SCALE | Flag.RESIDUAL | Flag.TABLE])
@pytest.mark.parametrize("stride", [1, 2])
def test_after_the_accumulators(flags, stride):
    check(TINY, *one_layer(TINY, np.random.default_rng(flags), 5, 7, 3, stride, 1, 2, flags))


@pytest.mark.parametrize("y_first, out_h", [(0, 1), (0, 9), (2, 2), (1, 3), (3, 4), (6, 2), (7, 2), (20, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel, kind", KINDS)
def test_band(kernel, kind, stride, y_first, out_h):
    """Bands at the top, inside, across the lower end and beyond it; the buffer's content above in_base is arbitrary."""
    for polyphase in (0, Flag.POLYPHASE):
        rng = np.random.default_rng([kernel, stride, y_first])
        check(TINY, *one_layer(TINY, rng, 6, 5, kernel, stride, 1, 1, kind | polyphase, y_first=y_first, out_h=out_h,
                               in_base=40))


@pytest.mark.parametrize("flags", [0, Flag.RESIDUAL | Flag.SCALE, Flag.DEPTHWISE, Flag.MAXIMUM, Flag.STRIDE2])
def test_bands_make_up_the_whole_map(flags):
    """A layer computed in bands of rows stores what it stores when computed at once."""
    h, w, stride = 11, 6, 2 if flags & Flag.STRIDE2 else 1
    whole, program = one_layer(TINY, np.random.default_rng(flags), h, w, 3, stride, 1, 2, flags)
    want = run_golden(TINY, whole, program, 3)
    load, d, store = descriptors(whole, program, 3)
    width, rows = -(-w // stride), d["out_h"]
    for step in (1, 2, 4):
        parts = [d | {"y_first": y, "out_h": min(step, rows - y)} | {
            base: d[base] + y * width for base in ("in_base", "out_base", "res_base")} for y in range(0, rows, step)]
        raw = b"".join(descriptor.pack(**p) for p in (load, *parts, store))
        image = np.concatenate([whole, np.frombuffer(raw, np.uint8)])
        assert run_golden(TINY, image, len(whole) // 64, len(parts) + 2)[:len(whole)] == want


def test_identity():
    """Depthwise kernel 1 with weight 1 at dx = 0 and multiplier 1 copies its input."""
    image, program = one_layer(TINY, np.random.default_rng(0), 4, 5, 1, 1, 1, 1, Flag.DEPTHWISE, w_blocks=0, zp_out=0,
                               act_min=-128, act_max=127)
    load, d, store = descriptors(image, program, 3)
    word = np.zeros((8, 8), np.uint8)
    word[:, 3] = 1
    image[64 * d["mem_offset"]:][:64] = word.reshape(-1)
    image[64 * d["param_offset"]:][:64] = np.frombuffer(pack_params([0] * 8, [1] * 8, [0] * 8), np.uint8)
    after = np.frombuffer(check(TINY, image, program), np.int8)
    before = after[64 * load["mem_offset"]:][:8 * load["length"]].reshape(-1, 8)
    stored = after[64 * store["mem_offset"]:][:8 * store["length"]].reshape(-1, 8)
    assert (stored[d["out_base"]:][:20] == before[d["in_base"]:][:20]).all()


@pytest.mark.parametrize("flags", [0, Flag.DEPTHWISE, Flag.MAXIMUM])
def test_shared_words(flags):
    """With w_blocks 0 every output block has the weights of the first one."""
    image, program = one_layer(TINY, np.random.default_rng(1), 4, 5, 3, 1, 2, 3, flags, w_blocks=0)
    shared = np.frombuffer(check(TINY, image, program), np.uint8)
    image, program = one_layer(TINY, np.random.default_rng(1), 4, 5, 3, 1, 2, 3, flags)
    _, d, store = descriptors(image, program, 3)
    at, size = 64 * d["mem_offset"], 64 * d["w_blocks"] * d["w_taps"]
    for ob in range(1, 3):
        image[at + ob * size:at + (ob + 1) * size] = image[at:at + size]
    repeated = np.frombuffer(check(TINY, image, program), np.uint8)
    result = slice(64 * store["mem_offset"], 64 * store["mem_offset"] + 8 * store["length"])
    assert (shared[result] == repeated[result]).all()


@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_split_changes_no_result(blocks):
    flags = Flag.RESIDUAL | Flag.TABLE | Flag.POLYPHASE
    results = []
    for split in (0, 1, 2):
        image, program = one_layer(SMALL, np.random.default_rng(3), 5, 6, 3, 1, 2, blocks, flags, split=split)
        results.append(check(SMALL, image, program)[:64 * program])
    assert results[0] == results[1] == results[2]


def test_fully_connected():
    check(TINY, *one_layer(TINY, np.random.default_rng(1), 1, 1, 1, 1, 20, 3))


@pytest.mark.parametrize("kernel, blocks", [(1, 255), (3, 28), (5, 10), (7, 5)])
@pytest.mark.parametrize("weight, pixel", [(-128, -128), (127, -128), (-127, 127), (-128, 127)])
def test_sums_of_extremes(kernel, blocks, weight, pixel):
    """The largest sums that fit a ring: far beyond what one float32 adds exactly.  An odd product tells them apart."""
    shift = 24 if kernel == 1 else 22
    image, program = one_layer(SMALL, np.random.default_rng(4), 2, 2, kernel, 1, blocks, 1, zp_in=pixel)
    load, d, _ = descriptors(image, program, 3)
    image[64 * load["mem_offset"]:][:8 * load["length"]] = pixel % 256
    image[64 * d["mem_offset"]:64 * d["param_offset"]] = weight % 256
    image[64 * d["mem_offset"] + 9] ^= 1
    total = 8 * blocks * kernel * kernel * weight * pixel
    # The bias brings the sum near zero, so that every unit of it shows in the result.
    params = pack_params([n - total for n in range(-4, 4)], [1] * 8, [0] * 4 + [1] * 4)
    image[64 * d["param_offset"]:][:64] = np.frombuffer(params, np.uint8)
    check(SMALL, image, program)
    assert abs(total) > 1 << shift


def test_shifts_and_multipliers_at_their_limits():
    """Every shift, the largest multiplier, sums that wrap: one output block of 1x1 layers, by parameters alone."""
    image, program = one_layer(TINY, np.random.default_rng(2), 2, 2, 1, 1, 1, 8)
    params = pack_params([2**31 - 1, -2**31] * 32, [65535] * 64, range(64))
    image[64 * descriptors(image, program, 3)[1]["param_offset"]:][:512] = np.frombuffer(params, np.uint8)
    check(TINY, image, program)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda c: c.name)
@pytest.mark.parametrize("first", range(0, 100, 20))
def test_random_programs(config, first):
    for seed in range(first, first + 20):
        print("seed", seed)
        p = random_program(np.random.default_rng(seed), config)
        want = bytearray(Reference(p.image.tobytes(), config.ab_words).run(p.program_offset, p.n_descriptors))
        for n, entry in enumerate(p.fill_entries):
            want[64 * (p.fill_offset + n):64 * (p.fill_offset + n + 1)] = entry
        got, _ = execute(Driver(GoldenDevice(config, 1 << 20)), p)
        assert got.tobytes() == want, p.description
