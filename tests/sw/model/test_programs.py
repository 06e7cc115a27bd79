"""Random programs are valid, repeatable, and meet every feature of the machine several times in a hundred."""
from collections import Counter

import numpy as np
import pytest
from model_reference import descriptors

from nigiri.model.programs import Limits, random_program
from nigiri.spec import descriptor, get_config
from nigiri.spec.descriptor import Flag, Opcode

PROGRAMS = 100
FLAGS = {name.lower(): bit for name, bit in vars(Flag).items() if name.isupper()}
KINDS = ("dense", "depthwise", "maximum")
BANDS = ("first rows", "rows inside", "last rows", "across the end", "beyond the end", "tall")


def features(d: dict[str, int]) -> list[str]:
    """Names of what a CONV exercises."""
    flags, stride = d["flags"], 2 if d["flags"] & Flag.STRIDE2 else 1
    kind = next((k for k in ("depthwise", "maximum") if flags & FLAGS[k]), "dense")
    found = [name for name, bit in FLAGS.items() if flags & bit]
    found += [f"{kind} {d['kernel']} stride {stride}", f"split {d['split']}", f"images {d['extra_images'] + 1}"]
    found += ["scale and residual"] * (flags & (both := Flag.SCALE | Flag.RESIDUAL) == both)
    found += ["in place"] * bool(flags & Flag.RESIDUAL and d["res_base"] == d["out_base"])
    found += [f"shared {kind}"] * (d["w_blocks"] == 0)
    found += [f"partial group {d['split']}"] * (d["out_blocks"] % (1 << d["split"]) > 0)
    full, end = descriptor.out_rows(d["in_h"], stride), d["y_first"] + d["out_h"]
    if (d["y_first"], d["out_h"]) != (0, full):
        where = ("beyond the end" if d["y_first"] >= full else "across the end" if end > full else
                 "last rows" if end == full else "rows inside" if d["y_first"] else "first rows")
        found += ["band", where, f"band stride {stride}", f"band split {d['split']}", f"band {kind}"]
        found += ["tall"] * (d["in_h"] > 60) + ["band polyphase"] * bool(flags & Flag.POLYPHASE)
    return found


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_every_feature_occurs(name):
    config, count = get_config(name), Counter()
    for seed in range(PROGRAMS):
        p = random_program(np.random.default_rng(seed), config)
        layers, pools = set(), set()
        for d in descriptors(p.image, p.program_offset, p.n_descriptors):
            assert descriptor.problem(d, config) is None, f"seed {seed}"
            if d["opcode"] == Opcode.CONV:
                count.update(features(d))
                count["cut"] += d["layer"] in layers
                count["scale by a pool"] += bool(d["flags"] & Flag.SCALE) and d["scale_base"] in pools
                layers.add(d["layer"])
                pools |= {d["pool_base"]} if d["flags"] & Flag.POOL else set()
    splits = range(config.groups.bit_length())
    often = [*FLAGS, *BANDS, "scale and residual", "in place", "cut", "scale by a pool",
             "band", "band polyphase", "band stride 1", "band stride 2",
             *(f"{what} {kind}" for what in ("band", "shared") for kind in KINDS),
             *(f"{what} {s}" for what in ("split", "band split") for s in splits), "images 2", "images 3",
             *(f"partial group {s}" for s in splits[1:])]
    kernels = [f"{kind} {k} stride {s}" for s in (1, 2) for k in (1, 3, 5, 7) for kind in KINDS
               if kind != "maximum" or k > 1]
    assert {f: count[f] for f in often if count[f] < 5} == {}
    assert {f: count[f] for f in kernels if count[f] < 2} == {}


def test_same_seed_same_program():
    a, b = (random_program(np.random.default_rng(5), get_config("small")) for _ in range(2))
    assert a.image.tobytes() == b.image.tobytes() and a.fill_entries == b.fill_entries


def test_limits():
    config = get_config("small")
    for seed in range(20):
        p = random_program(np.random.default_rng(seed), config, Limits(side=4, blocks=1, layers=1))
        convs = [d for d in descriptors(p.image, p.program_offset, p.n_descriptors) if d["opcode"] == Opcode.CONV]
        assert len({d["layer"] for d in convs}) == 1
        assert all(d["in_w"] <= 4 and d["in_blocks"] == 1 and d["out_blocks"] <= config.groups for d in convs)
