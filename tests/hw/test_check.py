"""The descriptor check in hardware agrees with nigiri.spec.descriptor.problem on every descriptor."""
from __future__ import annotations

import random

import pytest
from hw_helpers import run, small

from nigiri.spec import descriptor
from nigiri.spec.config import CONFIGS
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_hw.core.check import LATENCY, DescriptorCheck

ALONE = Flag.DEPTHWISE | Flag.MAXIMUM | Flag.POOL | Flag.SCALE
"""Flags of layers that `split` is not for."""


def sound(dice: random.Random, config) -> dict[str, int]:
    """A descriptor that keeps every rule, near the limits as often as not."""
    d = dict.fromkeys((f.name for f in descriptor.FIELDS), 0)
    d |= {f.name: dice.randint(f.low, f.high) for f in descriptor.FIELDS if dice.random() < 0.3}
    d |= {"magic": descriptor.MAGIC, "opcode": dice.choice(list(Opcode)), "flags": dice.getrandbits(11),
          "layer": dice.choice((0, config.layers - 1)),
          "in_w": dice.choice((1, 32, descriptor.MAX_SIDE)), "in_h": dice.choice((1, 7, descriptor.MAX_SIDE)),
          "out_h": dice.choice((1, 5, descriptor.MAX_SIDE)), "split": dice.randrange(config.groups.bit_length()),
          "out_blocks": dice.choice((1, 0xFFFF)), "in_blocks": 1,
          "out_phase": config.banks // 2 + config.banks * dice.randrange(2**20),
          "length": 8 * dice.choice((1, config.ab_words // 8)), "in_base": 8 * dice.randrange(2**29),
          "out_base": 8 * dice.randrange(2**29)}
    d["y_first"] = dice.choice((0, descriptor.MAX_SIDE - d["out_h"]))
    if d["flags"] & Flag.DEPTHWISE and d["flags"] & Flag.MAXIMUM:
        d["flags"] &= ~dice.choice((Flag.DEPTHWISE, Flag.MAXIMUM))
    if d["flags"] & (Flag.DEPTHWISE | Flag.MAXIMUM) or not d["flags"] & Flag.PRODUCT:
        d["flags"] &= ~(Flag.PRODUCT | Flag.TRANSPOSE)
    if d["flags"] & ALONE:
        d["split"] = 0
    kernels = (3, 5, 7) if d["flags"] & Flag.MAXIMUM else (1,) if d["flags"] & Flag.PRODUCT else (1, 3, 5, 7)
    d["kernel"] = dice.choice([k for k in kernels if descriptor.taps(d | {"kernel": k}) < config.ring_words])
    if not d["flags"] & (Flag.DEPTHWISE | Flag.MAXIMUM):
        d["in_blocks"] = max(1, (config.ring_words - 1) // d["kernel"] ** 2 - dice.randint(0, 1))
    return d


def spoil(dice: random.Random, config, d: dict[str, int]) -> dict[str, int]:
    """One or two fields moved to, or just past, a limit."""
    for _ in range(dice.randint(1, 2)):
        name, values = dice.choice((
            ("magic", (0, 0x4F, 0x46)), ("opcode", (0, 4, 0x81, 255)), ("kernel", range(16)),
            ("in_w", (0, 1024, 0xFFFF)), ("in_h", (0, 1024, 0x8000)), ("out_blocks", (0,)),
            ("layer", (config.layers, 0xFFFF)),
            ("in_blocks", (0, 2, (config.ring_words - 1) // max(1, d["kernel"] ** 2) + 1, config.ring_words, 0xFFFF)),
            ("out_h", (0, descriptor.MAX_SIDE - d["y_first"] + 1 & 0xFFFF, 0xFFFF)), ("split", range(4)),
            ("y_first", (1, descriptor.MAX_SIDE - d["out_h"] + 1 & 0xFFFF, 0xFFFF)),
            ("out_phase", range(config.banks)), ("flags", range(2048)), ("in_base", range(1, 8)),
            ("out_base", range(1, 8)), ("length", (0, 1, 4, config.ab_words + 8, 2**32 - 8, config.ab_words - 1))))
        d[name] = dice.choice(values)
    return d


CHECKED = {"tiny": CONFIGS["tiny"], "small": CONFIGS["small"], "zcu104": CONFIGS["zcu104"],
           "sushi_zcu104": CONFIGS["sushi_zcu104"], "one group": small(),
           "short rings": small(lanes=8, requant_pixels=4, groups=4)}


@pytest.mark.parametrize("config", CHECKED.values(), ids=list(CHECKED))
def test_agreement(config):
    dut, dice = DescriptorCheck(config), random.Random(config.name)

    async def testbench(ctx):
        verdicts = [0, 0]
        for n in range(1500):
            d = sound(dice, config)
            if n % 3:
                d = spoil(dice, config, d)
            problem = descriptor.problem(d, config)
            assert n % 3 or problem is None, problem
            raw = descriptor.encode(descriptor.FIELDS, descriptor.WORDS, d)
            ctx.set(dut.layer.as_value(), int.from_bytes(raw, "little"))
            await ctx.tick().repeat(LATENCY)
            assert ctx.get(dut.ok) == (problem is None), f"{d}: {problem}"
            verdicts[problem is None] += 1
            if problem is None and d["opcode"] == Opcode.CONV:
                taps = descriptor.taps(d)
                assert ctx.get(dut.taps) == taps and ctx.get(dut.run_words) == taps * d["in_blocks"]
        assert min(verdicts) > 300
    run(dut, testbench)
