"""Batches: every tensor of every image is what the image alone gives, and weights are read once."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nigiri.compiler.chains import make_plan
from nigiri.compiler.compile import compile_network
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.plan import Plan, scheduled
from nigiri.compiler.schedule import Segment, Store
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.spec import get_config
from nigiri.spec.descriptor import Flag, Opcode


def machine(base, ab_words, **changes):
    return replace(get_config(base), name="cut", ab_words=ab_words, layers=32, db_words=1024, **changes)


def pictures(network, subnet, batch, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (batch, *network.image_side(subnet), 3)).astype(np.uint8)


def only(network, subnet):
    return replace(network, subnets=(network.subnet(subnet),))


def compare(network, config, batch, plans=None):
    """Every stored tensor and the logits of every image against the interpreter; the compiled programs."""
    compiled = compile_network(network, config, plans, batch=batch)
    with Engine(GoldenDevice(config), compiled) as engine:
        for s in network.subnets:
            images = pictures(network, s, batch)
            want = Interpreter(network, s.info.name).tensors(images)
            rows = {}
            for t in engine.dump_batch(s.info.name, images):
                end = t.first_row + t.data.shape[1]
                part = want[t.tensor][t.image].transpose(2, 0, 1)[:, t.first_row:end]
                assert np.array_equal(t.data, part), (s.info.name, t.name, t.image)
                rows.setdefault((t.tensor, t.image), set()).update(range(t.first_row, end))
            for (tensor, _), seen in rows.items():
                assert seen == set(range(want[tensor].shape[1])), tensor
            assert set(rows) >= {(x.name, n) for x in s.layers if not x.pool for n in range(batch)}
            got = engine.infer_batch(s.info.name, images)
            assert len(got) == batch and all(x.counters == got[0].counters for x in got)
            for n, x in enumerate(got):
                assert np.array_equal(x.logits, want[s.output][n].reshape(-1)) and x.label == int(x.logits.argmax())
    return compiled


def images_of(compiled, subnet):
    """How many images each CONV computes."""
    return [1 + d["extra_images"] for d in compiled.descriptors(subnet) if d["opcode"] == Opcode.CONV]


@pytest.mark.parametrize("base", ["tiny", "small"])
@pytest.mark.parametrize("batch", [2, 3, 16])
def test_every_operator(base, batch):
    """With room for all images no layer runs image by image."""
    network = toy_image_network(0)
    compiled = compare(network, machine(base, 1 << 17), batch)
    for subnet in compiled.programs:
        assert set(images_of(compiled, subnet)) == {batch}
    flags = {d["flags"] for d in compiled.descriptors("large")}
    for flag in (Flag.DEPTHWISE, Flag.STRIDE2, Flag.RESIDUAL, Flag.POOL, Flag.SCALE, Flag.MAXIMUM, Flag.POLYPHASE):
        assert any(f & flag for f in flags)


@pytest.mark.parametrize("base,ab_words,batch", [("tiny", 4096, 3), ("small", 8192, 5), ("tiny", 4096, 16),
                                                 ("small", 8192, 16)])
def test_early_layers_run_image_by_image(base, ab_words, batch):
    compiled = compare(only(toy_image_network(1), "large"), machine(base, ab_words), batch)
    counts = images_of(compiled, "large")
    assert counts[0] == 1 and counts[-1] == batch and counts == sorted(counts)


@pytest.mark.parametrize("base,ab_words,sides,batch", [
    ("tiny", 4096, (77, 80), 2), ("small", 4096, (77, 80), 5), ("tiny", 4096, (69, 86), 16),
    ("small", 2048, (32, 82), 3), ("tiny", 2048, (32, 82), 2), ("tiny", 1024, (28, 52), 2)])
def test_bands_and_tensors_in_memory(base, ab_words, sides, batch):
    network = only(toy_image_network(2, {"small": (9, 7), "large": sides}), "large")
    config = machine(base, ab_words)
    single = make_plan(network, network.subnets[0], config)
    assert single.spilled or any(s.bands > 1 for s in single.segments)
    compare(network, config, batch)


@pytest.mark.parametrize("batch", [1, 2, 7, 16])
def test_the_first_toy(batch):
    """An input that is not folded."""
    compare(toy_network(0), get_config("tiny"), batch)


@pytest.mark.parametrize("base", ["tiny", "small"])
@pytest.mark.parametrize("in_memory", [False, True])
def test_every_cut(base, in_memory):
    """Also those that cost more: residual inputs, gates and polyphase tensors cross it."""
    network = only(toy_image_network(4), "large")
    config = machine(base, 1 << 15)
    count = len(network.subnets[0].layers)
    for cut in range(1, count):
        parked = frozenset(x.name for x in network.subnets[0].layers) | {"dw1.pool", "head.pool"} if in_memory else ()
        plan = Plan(subnet=network.subnets[0], segments=(Segment(first=0, end=cut), Segment(first=cut, end=count)),
                    batch=3, cut=cut, parked=frozenset(parked))
        assert any(isinstance(x, Store) for x in scheduled(network, config, plan)[0]) == in_memory
        counts = images_of(compare(network, config, 3, {"large": plan}), "large")
        assert counts.count(1) == 3 * cut and counts.count(3) == count - cut
