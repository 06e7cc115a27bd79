"""All shipped SubNets on the RTL: every output byte of every layer equals the golden model's, whatever is cached."""

from __future__ import annotations

import dataclasses
import functools
import os

import numpy as np
import pytest

from nigiri import bundle
from nigiri.model.device import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.spec import get_config

CONFIG = "pynq_z2"
MEMORIES = ("ddr3_z2", "slow", "ideal")
SHIPPED = bundle.load(bundle.demo_path())
SUBNETS = [s.name for s in SHIPPED.subnets]
RUNS = [(s, m) for m in MEMORIES for s in SUBNETS
        if m != "slow" or s in ("min", "s4", "max") or "NIGIRI_LONG" in os.environ]
"""The slow memory takes ten times the cycles; `make verify` runs all SubNets on it."""


@functools.cache
def compiled():
    return SHIPPED.compiled(get_config(CONFIG))


def image(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (32, 32, 3), np.uint8)


def full_cache(subnet: str) -> dict[int, tuple[int, int, int]]:
    """Layers of a SubNet, last ones first, as many as fit."""
    room, out = get_config(CONFIG).pb_words, {}
    for layer, box in reversed(list(compiled().subnet_boxes(subnet).items())):
        size = box[0] * box[1] * box[2]
        if size <= room:
            out[layer], room = box, room - size
    return out


@functools.cache
def golden() -> Engine:
    return Engine(GoldenDevice(get_config(CONFIG)), compiled())


def check(engine: Engine, subnet: str, n: int) -> None:
    want, got = golden().dump(subnet, image(n)), engine.dump(subnet, image(n))
    assert [t.name for t in got] == [t.name for t in want]
    for a, b in zip(got, want, strict=True):
        assert np.array_equal(a.data, b.data), f"{subnet}, tensor {a.name}: {(a.data != b.data).sum()} bytes differ"


@pytest.mark.verilator
@pytest.mark.parametrize(("subnet", "memory"), RUNS)
def test_every_layer(rtl, subnet, memory):
    engine = Engine(rtl(CONFIG, memory), compiled())
    golden().cache({})
    check(engine, subnet, 1)
    # Full: as much of this SubNet as fits.
    engine.cache(full_cache(subnet))
    check(engine, subnet, 2)
    # Changing: the cache of another SubNet is filled while this one runs.
    other = SUBNETS[(SUBNETS.index(subnet) + 3) % len(SUBNETS)]
    engine.cache(full_cache(other), wait=False)
    check(engine, subnet, 3)
    engine.wait_cache()
    check(engine, subnet, 4)
    engine.close()


@pytest.mark.verilator
def test_cache_changes_only_cycles_and_bytes(rtl):
    device = rtl(CONFIG, "ddr3_z2")
    engine = Engine(device, compiled())
    programs = engine.driver.read(0, compiled().image.size).copy()
    seen = {}
    for subnet in ("min", "max"):
        for name, graph in (("empty", {}), ("own", full_cache(subnet)), ("other", full_cache("s3"))):
            engine.cache(graph)
            golden().cache(graph)
            got, want = engine.infer(subnet, image(7)), golden().infer(subnet, image(7))
            assert np.array_equal(got.logits, want.logits)
            assert {k: v for k, v in dataclasses.asdict(got.counters).items() if k.startswith("bytes_w")} == {
                k: v for k, v in dataclasses.asdict(want.counters).items() if k.startswith("bytes_w")
            }
            seen[subnet, name] = got
        assert np.array_equal(seen[subnet, "empty"].logits, seen[subnet, "own"].logits)
        assert seen[subnet, "own"].counters.cycles < seen[subnet, "empty"].counters.cycles
        assert seen[subnet, "own"].counters.bytes_weights_dram < seen[subnet, "empty"].counters.bytes_weights_dram
    assert np.array_equal(engine.driver.read(0, compiled().image.size), programs)
    engine.close()


@pytest.mark.verilator
def test_cycles_do_not_depend_on_the_image(rtl):
    engine = Engine(rtl(CONFIG, "ddr3_z2"), compiled())
    cycles = [engine.infer("min", image(n)).counters.cycles for n in range(4)]
    assert max(cycles) - min(cycles) <= 16
    engine.close()


@pytest.mark.verilator
def test_utilisation_of_the_largest(rtl):
    engine = Engine(rtl(CONFIG, "ddr3_z2"), compiled())
    info = next(s for s in SHIPPED.subnets if s.name == "max")
    counters = engine.infer("max", image(0)).counters
    assert info.macs / (counters.cycles * get_config(CONFIG).mac_units) >= 0.60
    engine.close()
