"""Launches of several images on devices."""
from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from nigiri.compiler import compile_network
from nigiri.runtime.connect import connect
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.serving.backend import EngineBackend
from nigiri.serving.build import Options, Tables, factories
from nigiri.spec import get_config


@pytest.fixture(scope="module")
def tables(loaded):
    return Tables(loaded, subgraphs=4, batches=(1, 2, 4))


@pytest.mark.parametrize("name", ["golden:pynq_z2", "rtl:pynq_z2"])
def test_any_number_of_images_beside_any_cache(loaded, tables, golden, images, name):
    config = get_config("pynq_z2")
    compiled, table = tables.of(config)
    batches = tables.batches(config)
    # One weight image: what lies before the programs is the same for every batch.
    for c in batches:
        size = 64 * compiled.first_program
        assert np.array_equal(c.image[:size], compiled.image[:size]) and not c.image[size:64 * c.first_program].any()
    with closing(connect(name)) as device:
        backend = EngineBackend(Engine(device, compiled, batches=batches), table, owns_device=False)
        launched = []
        driver = backend.engine.driver
        run = driver.run
        driver.run = lambda *a, **k: launched.append(1) or run(*a, **k)
        for column, count, launches in ((0, 1, 1), (2, 2, 1), (2, 3, 1), (3, 4, 1), (1, 6, 2)):
            backend.load(column)
            launched.clear()
            row = count % len(table.subnets)
            got = backend.run(row, images[:count], True)
            assert np.array_equal(got.logits, golden.logits(table.subnets[row].name, images[:count]))
            assert len(launched) == launches and got.logits.shape == (count, 10)
            if name.startswith("rtl"):
                # The table has batches with the empty cache: a launch needs no longer than that.
                assert got.device_ms <= 1.01 * table.launch_cycles(row, count, column) / (1e3 * table.clock_mhz)
        backend.close()


def test_the_service_makes_them(loaded, golden, images):
    made, _ = factories(["golden:pynq_z2"], loaded, Options(devices=("golden:pynq_z2",), subgraphs=2, batches=True))
    backend = made[0]()
    assert sorted(backend.engine.batches) == [1, 2, 4, 8, 16]
    assert np.array_equal(backend.run(0, images[:16], True).logits, golden.logits("min", images[:16]))
    backend.close()


def test_programs_that_overlap(loaded):
    config = get_config("pynq_z2")
    single, pair = (compile_network(loaded.network, config, batch=n) for n in (1, 2))
    with closing(connect("golden:pynq_z2")) as device, pytest.raises(
            BadArgument, match=r"^programs for several batches must be of one network, each compiled behind"):
        Engine(device, single, batches=[pair])
