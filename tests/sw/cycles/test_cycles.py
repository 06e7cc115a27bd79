"""Cycles: they add up, memory and cache change them the right way, and measured programs are met."""
from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nigiri.cycles import predict
from nigiri.cycles.best import best_subgraph
from nigiri.cycles.check import Row, steps, summary
from nigiri.cycles.layers import random_program
from nigiri.runtime.placement import size
from nigiri.spec import CONFIGS, descriptor, get_config, get_memory, residency
from nigiri.spec.descriptor import Opcode


@pytest.mark.parametrize("config", ["tiny", "small", "pynq_z2", "zcu104", "sushi_zcu104"])
def test_every_cycle_has_one_cause(config):
    rng = np.random.default_rng(1)
    for n in range(12):
        x = random_program(rng, get_config(config), 1 + n % 3, cached=n % 2 == 1)
        assert all(descriptor.problem(d, get_config(config)) is None for d in x.program)
        got = predict(x.program, get_config(config), resident=x.resident)
        for x in got.layers:
            assert x.busy + sum(x.stalls.values()) == pytest.approx(x.cycles)
            assert min(x.stalls.values()) >= 0
            # Weights of later layers are fetched ahead.
            assert all(s.start <= s.end <= x.start + x.cycles + 1 for s in x.spans)
            assert all(x.start <= s.end for s in x.spans if x.index == 0 or s.track not in ("fetch", "fill"))
        assert got.busy + sum(got.stalls.values()) == pytest.approx(got.cycles, abs=6)


@pytest.mark.parametrize(("subnet", "cycles"), [("min", 2030), ("mid", 2776), ("max", 3436)])
def test_measured_on_rtl(toy, subnet, cycles):
    """Cycles of the RTL of `tiny` with its default memory, measured once."""
    got = predict(toy.descriptors(subnet), toy.config, offset=toy.program(subnet)[0])
    assert got.cycles == pytest.approx(cycles, rel=0.01)


@pytest.mark.parametrize("config", ["tiny", "small", "kv260"])
@pytest.mark.parametrize("images", [2, 16])
def test_images_with_the_same_weights(config, images):
    """Every image after the first costs what the array needs, and no weights."""
    rng = np.random.default_rng(images)
    for _ in range(15):
        fields = random_program(rng, get_config(config), most=4000, images=images).program[0]
        assert descriptor.problem(fields, get_config(config)) is None
        got, single = (predict([fields | {"extra_images": n}], get_config(config)) for n in (images - 1, 0))
        assert got.nbytes == single.nbytes and got.busy == images * single.busy
        assert got.layers[0].macs == images * single.layers[0].macs
        assert got.busy + sum(got.stalls.values()) == pytest.approx(got.cycles, abs=6)
        assert max(single.cycles, got.busy) <= got.cycles <= images * single.cycles


def test_batches_measured_on_rtl():
    """Cycles of the RTL of `small` for random layers of 2, 3, 5 and 16 images, measured once."""
    rng = np.random.default_rng(5)
    for n, cycles in enumerate((504, 9239, 305, 35084, 470, 704, 5192, 2762, 259, 365, 8576, 1117, 767, 327, 17949,
                                2818)):
        x = random_program(rng, get_config("small"), most=8000, images=(2, 3, 5, 16)[n % 4])
        got = predict(x.program, get_config("small"))
        assert got.cycles == pytest.approx(cycles, rel=0.02)


def test_memory_and_cache(image):
    program = image.descriptors("large")
    slow, board, ideal = (predict(program, image.config, get_memory(m)).cycles for m in ("slow", "ddr4", "ideal"))
    assert slow > board > ideal
    boxes = best_subgraph(image, "large", get_memory("slow"))
    cached = predict(program, image.config, get_memory("slow"), boxes)
    assert cached.cycles < slow
    assert cached.nbytes["pb"] == 64 * sum(size(b) for b in boxes.values())
    assert 0 < sum(size(b) for b in boxes.values()) <= image.config.pb_words
    whole = image.subnet_boxes("large")
    assert all(all(a <= b for a, b in zip(box, whole[i], strict=True)) for i, box in boxes.items())


def test_best_keeps_to_the_capacity(image):
    for capacity in (0, 1, 40, 300):
        assert sum(size(b) for b in best_subgraph(image, "large", get_memory("ddr4"), capacity).values()) <= capacity


def test_prefixes_take_less(toy):
    program = toy.descriptors("max")
    totals = [predict(program[:n], toy.config).cycles for n in range(1, len(program) + 1)]
    assert totals == sorted(totals)


def test_random_programs_repeat():
    first, again = (random_program(np.random.default_rng(5), CONFIGS["small"], 3, cached=True) for _ in range(2))
    assert first.names == again.names and np.array_equal(first.image, again.image)
    assert first.resident == again.resident and first.fills == again.fills


def test_random_prefixes_fit():
    rng = np.random.default_rng(6)
    for n in range(40):
        config = CONFIGS["tiny" if n % 2 else "small"]
        x = random_program(rng, config, 1 + n % 5, cached=True)
        codes = [residency.problem(residency.unpack(residency.pack(**e)), config) for e in x.fills]
        assert not any(codes)
        assert not any(residency.overlaps(a, b) for a, b in combinations(x.fills, 2))


def test_summary():
    rows = [Row(name="a", measured=100, predicted=110), Row(name="b", measured=200, predicted=190)]
    got = summary(rows)
    assert got["mean_abs_error"] == pytest.approx(0.075) and got["worst_abs_error"] == pytest.approx(0.1)
    assert got["total_error"] == 0 and [r["name"] for r in got["layers"]] == ["a", "b"]


def test_transfers_count_together():
    program = [{"opcode": o} for o in (Opcode.LOAD, Opcode.LOAD, Opcode.CONV, Opcode.CONV, Opcode.STORE)]
    assert steps(program) == [range(0, 2), range(2, 3), range(3, 4), range(4, 5)]
