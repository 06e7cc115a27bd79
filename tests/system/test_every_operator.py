"""Every operator of the big networks on the RTL, with bands, lane groups, a cache and batches, bit for bit.

The machine is `small` with room for the network's layers and an activation buffer that is no power of two.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nigiri.compiler import compile_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.sched.subgraph import clip
from nigiri.spec import get_config, get_memory
from nigiri_sim.device import RtlDevice

pytestmark = pytest.mark.verilator
CONFIG = replace(get_config("small"), name="uneven", ab_words=3072, layers=32)


@pytest.fixture(scope="module", params=[0.0, 0.15], ids=["", "stalls"])
def device(request):
    with RtlDevice(CONFIG, get_memory("ddr4"), stalls=request.param, seed=7) as opened:
        yield opened


@pytest.mark.parametrize("batch", [1, 3])
def test_rtl_equals_golden(device, batch):
    network = toy_image_network(3, {"small": (9, 7), "large": (57, 48)})
    compiled = compile_network(network, CONFIG, batch=batch)
    rng = np.random.default_rng(batch)
    reference = GoldenDevice(CONFIG)
    with Engine(device, compiled) as rtl, Engine(reference, compiled) as golden:
        for subnet in ("small", "large"):
            boxes = compiled.subnet_boxes(subnet)
            images = rng.integers(0, 256, (batch, *compiled.images[subnet]), dtype=np.uint8)
            for cached in ({}, clip(boxes, list(boxes), CONFIG.pb_words)):
                rtl.cache(cached)
                golden.cache(cached)
                layers = list(zip(rtl.dump_batch(subnet, images), golden.dump_batch(subnet, images), strict=True))
                for a, b in layers:
                    assert np.array_equal(a.data, b.data), (subnet, a.name, a.image)
                assert batch > 1 or subnet == "small" or any("@" in a.name for a, _ in layers)
                got, want = rtl.infer_batch(subnet, images), golden.infer_batch(subnet, images)
                assert all(np.array_equal(a.logits, b.logits) for a, b in zip(got, want, strict=True))
                for kind in ("bytes_weights_dram", "bytes_weights_pb", "bytes_tables", "bytes_act_in"):
                    assert getattr(got[0].counters, kind) == getattr(want[0].counters, kind), kind
        # The upper part of the buffer is used, and nothing beyond its end is written.
        buffer = reference.machine.ab
        assert buffer[CONFIG.ab_words * 2 // 3:CONFIG.ab_words].any() and not buffer[CONFIG.ab_words:].any()
