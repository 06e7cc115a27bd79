"""Batches: every tensor of every image is what the image alone gives, and weights are read once."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nigiri.compiler.batches import batch_plan, with_groups
from nigiri.compiler.chains import make_plan
from nigiri.compiler.compile import compile_network
from nigiri.compiler.errors import ActivationBufferError, BatchError, GraphError
from nigiri.compiler.explain import explain
from nigiri.compiler.graph import blocks
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.plan import scheduled
from nigiri.compiler.schedule import Schedule, Store
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.cycles import predict
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
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


@pytest.mark.parametrize("base,ab_words,batch", [("tiny", 4096, 3), ("small", 8192, 5), ("tiny", 4096, 12)])
def test_early_layers_run_image_by_image(base, ab_words, batch):
    compiled = compare(only(toy_image_network(1), "large"), machine(base, ab_words), batch)
    counts = images_of(compiled, "large")
    assert counts[0] == 1 and counts[-1] == batch
    assert set(counts) <= ({1, 3, 6, 12} if batch == 12 else {1, batch})


@pytest.mark.parametrize("base,ab_words,sides,batch", [
    ("tiny", 4096, (77, 80), 2), ("small", 4096, (77, 80), 5), ("tiny", 4096, (69, 86), 6),
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


@pytest.mark.parametrize("base,in_memory", [("tiny", False), ("small", True)])
def test_every_begin_of_a_stage(base, in_memory):
    """Also those that cost more: residual inputs, gates and polyphase tensors cross it."""
    network = only(toy_image_network(4), "large")
    config = machine(base, 1 << 15)
    single = make_plan(network, network.subnets[0], config)
    count = len(single.subnet.layers)
    for cut in range(1 + in_memory, count, 2):
        groups = ((0, 1), (cut, 3))
        parked = frozenset(Schedule(network, single.subnet, config).crossing(cut) if in_memory else ())
        plan = with_groups(single, groups, parked)
        assert any(isinstance(x, Store) for x in scheduled(network, config, plan)[0]) == in_memory
        counts = images_of(compare(network, config, 3, {"large": plan}), "large")
        assert counts.count(1) == 3 * cut and counts.count(3) == count - cut


@pytest.mark.parametrize("seed", range(6))
def test_stages_of_any_size(seed):
    """Groups in groups, tensors that skip stages, some of them in memory."""
    print("seed", seed)
    rng = np.random.default_rng(seed)
    network = only((toy_image_network(seed)), "large")
    config = machine(("tiny", "small")[seed % 2], 1 << 16)
    single = make_plan(network, network.subnets[0], config)
    starts = sorted(int(n) for n in rng.choice(np.arange(1, len(single.subnet.layers)), 3, replace=False))
    groups = ((0, 1), *zip(starts, ((2, 4, 8), (2, 6, 12), (3, 6, 12))[seed % 3], strict=True))
    tensors = sorted({t for x in single.subnet.layers for t in (x.name, f"{x.name}.pool")})
    parked = frozenset(t for t in tensors if rng.random() < 0.4) if seed > 1 else frozenset()
    plan = with_groups(single, groups[:2 + seed % 3], parked)
    compiled = compare(network, config, plan.batch, {"large": plan})
    assert set(images_of(compiled, "large")) == {images for _, images in plan.groups}


@pytest.mark.parametrize("base,ab_words", [("tiny", 1 << 17), ("small", 1 << 17), ("small", 8192)])
def test_weights_are_read_once_for_a_group(base, ab_words):
    network = only(toy_image_network(0), "large")
    config = machine(base, ab_words)
    layers = {x.name: x for x in network.subnets[0].layers}
    words = {x.id: 64 * blocks(layers[x.name].cout) * (1 if x.own_block else blocks(layers[x.name].cin))
             * (layers[x.name].kernel if x.depthwise else layers[x.name].kernel ** 2) for x in network.layers}
    plan = batch_plan(network, network.subnets[0], config, 8)
    ends = [n for n, _ in plan.groups[1:]] + [len(layers)]
    want = sum(8 // images * words[x.weights] for (first, images), end in zip(plan.groups, ends, strict=True)
               for x in plan.subnet.layers[first:end])
    compiled = compile_network(network, config, {"large": plan}, batch=8)
    with Engine(GoldenDevice(config), compiled) as engine:
        counters = engine.infer_batch("large", pictures(network, network.subnets[0], 8))[0].counters
    assert counters.bytes_weights_dram == want
    if ab_words == 1 << 17:
        assert plan.groups == ((0, 8),) and want == sum(words.values())
    else:
        assert len(plan.groups) > 1 and sum(words.values()) < want < 8 * sum(words.values())
    assert predict(compiled.descriptors("large"), config).nbytes["weights"] == want


def test_a_cached_subgraph_serves_batches():
    network = only(toy_image_network(0), "large")
    config = machine("small", 1 << 15)
    images = pictures(network, network.subnets[0], 4)
    with Engine(GoldenDevice(config), compile_network(network, config, batch=4)) as engine:
        plain = engine.infer_batch("large", images)
        boxes = engine.compiled.subnet_boxes("large")
        engine.cache({k: boxes[k] for k in (0, 1, 10, 11, 12, 16, 17)})
        cached = engine.infer_batch("large", images)
    assert all(np.array_equal(a.logits, b.logits) for a, b in zip(plain, cached, strict=True))
    assert cached[0].counters.bytes_weights_pb > 0


def test_one_image_is_what_it_was(toy):
    """A batch of one is the program for single images."""
    config = get_config("tiny")
    assert np.array_equal(compile_network(toy, config).image, compile_network(toy, config, batch=1).image)
    subnet = toy.subnet("max")
    assert batch_plan(toy, subnet, config, 1) == make_plan(toy, subnet, config)


def test_explain():
    network = only(toy_image_network(1), "large")
    config = machine("tiny", 4096)
    got = explain(network, network.subnets[0], config, plan=with_groups(
        make_plan(network, network.subnets[0], config), ((0, 1), (10, 2), (16, 4))))
    rows = {(r.name, r.images): r for r in got.layers}
    assert got.batch == 4 and got.cycles == sum(r.cycles for r in got.layers)
    assert rows["stem0", 1].bands == 4 and rows["stem0", 1].why == "whole, image by image"
    assert rows["fc", 4].bands == 1 and rows["fc", 4].why == "whole"
    assert any(r.images == 2 and r.bands == 2 and r.why.endswith("2 images at once") for r in got.layers)


@pytest.mark.parametrize("batch", [0, -1, 17])
def test_no_such_batch(toy, batch):
    with pytest.raises(BadArgument, match=f"^a batch must have 1 to 16 images, not {batch}$"):
        compile_network(toy, get_config("tiny"), batch=batch)


def test_a_batch_that_does_not_fit():
    network = toy_image_network(0, {"large": (30, 37)})
    network = replace(network, subnets=(replace(network.subnets[0], layers=network.subnets[0].layers[:3]),))
    with pytest.raises(BatchError, match=r"^SubNet large: the tensors of 16 images do not fit the 1024 pixel words of "
                       r"activation buffer of configuration 'cut' even if only layer stem2 is computed for all of them "
                       r"together: choose a smaller batch or a larger configuration$"):
        compile_network(network, machine("tiny", 1024), batch=16)
    assert issubclass(BatchError, ActivationBufferError)


def test_a_plan_for_another_batch(toy):
    config = get_config("tiny")
    plans = {s.info.name: make_plan(toy, s, config) for s in toy.subnets}
    with pytest.raises(BadArgument, match=r"^the plan of SubNet min is for 1 images a launch, not 2: make one with "
                                          r"batch_plan$"):
        compile_network(toy, config, plans, batch=2)


def test_wrong_images(toy):
    config = get_config("tiny")
    with Engine(GoldenDevice(config), compile_network(toy, config, batch=2)) as engine:
        one = pictures(toy, toy.subnets[0], 1)
        for call in (engine.infer_batch, engine.dump_batch):
            with pytest.raises(BadArgument, match=r"^a launch computes 2 images, not 1: pass that many, or compile for "
                                                  r"another batch$"):
                call("min", one)
            with pytest.raises(BadArgument, match=r"^the image must be uint8 \[11, 9, 3\], not uint8 \[9, 11, 3\]$"):
                call("min", one.transpose(0, 2, 1, 3).repeat(2, 0))
            with pytest.raises(GraphError, match=r"^unknown SubNet 'huge'"):
                call("huge", one)
        for call, other in ((engine.infer, "infer_batch"), (engine.dump, "dump_batch")):
            with pytest.raises(BadArgument, match=rf"^the programs compute 2 images in a launch: call {other} with "
                                                  r"that many, or compile for single images$"):
                call("min", one[0])
