"""Lane pairs and maximum lanes against plain arithmetic: dense and depthwise, extremes, gaps, timing."""
from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Cat
from hw_helpers import run, words_of

from nigiri_hw.core.array import LATENCY, LanePair, MaxLane


def step_of(rng, extreme: bool) -> dict:
    """Operands of one step; `extreme` draws from the ends of the ranges only."""
    def activations(*shape):
        return rng.choice([-128, 127], shape) if extreme else rng.integers(-128, 128, shape)
    return {"window": activations(8, 8), "dense": activations(2, 8), "valid": rng.integers(0, 2, (2, 7)),
            "weights": rng.choice([-127, 127], (8, 8)) if extreme else rng.integers(-127, 128, (8, 8)),
            "first": int(rng.integers(0, 4) == 0), "depthwise": int(rng.integers(0, 2)),
            "zp": int(rng.integers(-128, 128))}


def sums_of(step: dict) -> np.ndarray:
    """What a step adds to the accumulators: int64[2 lanes, 8 output channels]."""
    w = step["weights"].astype(np.int64)
    out = np.zeros((2, 8), np.int64)
    for lane in range(2):
        if step["depthwise"]:
            slots = np.where(step["valid"][lane][:, None], step["window"][lane:lane + 7], step["zp"])   # 7 x 8
            out[lane] = (w[:, :7] * slots.T).sum(1)
        else:
            out[lane] = w @ step["dense"][lane].astype(np.int64)
    return out


def packed(values) -> int:
    return int.from_bytes(np.asarray(values, np.int8).tobytes(), "little")


def drive(dut, ctx, step: dict) -> None:
    ctx.set(Cat(*dut.window), packed(step["window"]))
    ctx.set(Cat(*dut.dense), packed(step["dense"]))
    # A depthwise word has seven columns; the datapath clears the eighth.
    weights = step["weights"] * ([1] * 7 + [1 - step["depthwise"]])
    ctx.set(Cat(*dut.weights), packed(weights))
    ctx.set(Cat(*dut.dw_valid), int("".join(map(str, step["valid"].ravel()[::-1])), 2))
    ctx.set(dut.depthwise, step["depthwise"])
    ctx.set(dut.zero_point, step["zp"] & 255)
    ctx.set(dut.first, step["first"])


def simulate_steps(steps, enables) -> None:
    """One entry of `steps` a cycle; those not enabled must leave no trace."""
    dut = LanePair()
    expected, history = np.zeros((2, 8), np.int64), []

    async def testbench(ctx):
        nonlocal expected
        for cycle in range(len(steps) + LATENCY):
            if cycle >= LATENCY:
                got = np.frombuffer(ctx.get(Cat(*dut.acc)).to_bytes(64, "little"), np.int32).reshape(2, 8)
                assert (got == history[cycle - LATENCY]).all(), f"step {cycle - LATENCY}"
            if cycle < len(steps):
                step = steps[cycle]
                drive(dut, ctx, step)
                if enables[cycle]:
                    expected = expected * (not step["first"]) + sums_of(step)
                history.append(expected)
                ctx.set(dut.en, int(enables[cycle]))
            else:
                ctx.set(dut.en, 0)
            await ctx.tick()
    run(dut, testbench)


def test_sums_and_gaps():
    """A step every cycle or none: sums start with `first` and stand LATENCY cycles after the operands."""
    rng = np.random.default_rng(0)
    steps = [step_of(rng, extreme=n % 5 == 0) for n in range(80)]
    steps[0]["first"] = 1
    enables = [n < 30 or bool(rng.integers(0, 2)) for n in range(80)]
    simulate_steps(steps, enables)


def test_the_packed_fields_never_overflow():
    """All combinations of the extreme operands of two neighbouring pixels, dense and depthwise, every cycle."""
    rng = np.random.default_rng(1)
    steps = []
    for a0 in (-128, 127):
        for a1 in (-128, 127):
            for w in (-127, 0, 1, 127):
                for depthwise in (0, 1):
                    window = np.full((8, 8), a1)
                    window[0] = a0
                    steps.append({"window": window, "dense": np.array([[a0] * 8, [a1] * 8]),
                                  "valid": np.ones((2, 7), int), "weights": np.full((8, 8), w),
                                  "first": int(rng.integers(0, 2)), "depthwise": depthwise, "zp": 0})
    steps[0]["first"] = 1
    simulate_steps(steps, [True] * len(steps))


def test_masked_columns_read_the_zero_point():
    step = {"window": np.full((8, 8), 99), "dense": np.zeros((2, 8), int), "valid": np.zeros((2, 7), int),
            "weights": np.ones((8, 8), int), "first": 1, "depthwise": 1, "zp": -7}
    assert (sums_of(step) == -49).all()
    lanes = np.zeros((2, 7), int)
    lanes[0, 3] = lanes[1, 0] = lanes[1, 6] = 1
    simulate_steps([step, {**step, "valid": lanes}], [True, True])


def test_accumulators_wrap_at_32_bits():
    step = {"window": np.zeros((8, 8), int), "dense": np.full((2, 8), -128), "valid": np.zeros((2, 7), int),
            "weights": np.full((8, 8), -127), "first": 0, "depthwise": 0, "zp": 0}
    dut, start = LanePair(), 2**31 - 8 * 128 * 127

    async def testbench(ctx):
        drive(dut, ctx, step)
        for acc in dut.acc:
            ctx.set(acc, start)
        ctx.set(dut.en, 1)
        await ctx.tick()
        ctx.set(dut.en, 0)
        await ctx.tick().repeat(LATENCY)
        assert words_of(ctx.get(Cat(*dut.acc)), 16, 32) == [2**31] * 16
    run(dut, testbench)


@pytest.mark.parametrize("gaps", [0, 0.4])
@pytest.mark.parametrize("low, high", [(-128, 127), (-128, -120), (120, 127)])
def test_maximum(gaps, low, high):
    """`best` of a tile stands from two cycles after its last step until two cycles after the last of the next."""
    rng, dut = np.random.default_rng([int(10 * gaps), high & 255]), MaxLane()
    steps = []                                   # (pixel, first, last), None for a gap
    for _ in range(30):
        count = int(rng.choice([2, 3, 9, 25]))
        for n in range(count):
            steps += [None] * int(rng.geometric(1 - gaps) - 1)
            steps.append((rng.integers(low, high + 1, 8), n == 0, n == count - 1))

    async def testbench(ctx):
        best, tile, standing = None, None, {}
        for cycle in range(len(steps) + 2):
            step = steps[cycle] if cycle < len(steps) else None
            ctx.set(dut.en, int(step is not None))
            # Between steps the inputs hold whatever other slots bring.
            pixel, first, last = step or (rng.integers(-128, 128, 8), rng.integers(0, 2), rng.integers(0, 2))
            ctx.set(dut.pixel, packed(pixel))
            ctx.set(dut.first, int(first))
            ctx.set(dut.last, int(last))
            if step:
                tile = pixel if first else np.maximum(tile, pixel)
                if last:
                    standing[cycle + 2] = packed(tile)
            best = standing.get(cycle, best)
            if best is not None:
                assert ctx.get(dut.best) == best, f"cycle {cycle}"
            await ctx.tick()
        assert best == packed(tile)
    run(dut, testbench)
