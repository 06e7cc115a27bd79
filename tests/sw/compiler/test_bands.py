"""Bands of rows, extra passes and every operator of ImageNet networks: programs are the graph, bit for bit."""
from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from nigiri.compiler.bands import cut, even
from nigiri.compiler.chains import make_plan, orders, scheduled
from nigiri.compiler.compile import compile_network
from nigiri.compiler.errors import ActivationBufferError, GraphError
from nigiri.compiler.explain import explain
from nigiri.compiler.graph import Fold
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.pack import unpack_weights
from nigiri.compiler.passes import identity_layer
from nigiri.compiler.schedule import Load, Schedule, Segment, Store
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.spec import arith, get_config
from nigiri.spec.descriptor import Flag, Opcode


def machine(base, ab_words, **changes):
    return replace(get_config(base), name="cut", ab_words=ab_words, layers=32, db_words=1024, **changes)


def compare(network, config, seed=0):
    """Every stored tensor and the logits against the interpreter; the names of the tensors of each SubNet."""
    rng = np.random.default_rng(seed)
    names = {}
    with Engine(GoldenDevice(config), compile_network(network, config)) as engine:
        for s in network.subnets:
            shape = (1, *network.image_side(s), network.channels)
            image = rng.integers(0, 256, shape).astype(np.uint8)
            want = Interpreter(network, s.info.name).tensors(image)
            rows = {}
            for t in engine.dump(s.info.name, image[0]):
                part = want[t.tensor][0].transpose(2, 0, 1)[:, t.first_row:t.first_row + t.data.shape[1]]
                assert np.array_equal(t.data, part), (s.info.name, t.name)
                rows.setdefault(t.tensor, set()).update(range(t.first_row, t.first_row + t.data.shape[1]))
                names.setdefault(s.info.name, []).append(t.name)
            for tensor, seen in rows.items():
                assert seen == set(range(want[tensor].shape[1])), tensor
            assert set(rows) >= {x.name for x in s.layers if not x.pool}
            assert np.array_equal(engine.infer(s.info.name, image[0]).logits, want[s.output].reshape(-1))
    return names


@pytest.mark.parametrize("base", ["tiny", "small"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_operator(base, seed):
    print("seed", seed)
    names = compare(toy_image_network(seed), machine(base, 8192), seed)
    assert not any("@" in n for tensors in names.values() for n in tensors)


@pytest.mark.parametrize("base,ab_words,sides", [
    ("tiny", 4096, (77, 80)), ("small", 4096, (77, 80)), ("tiny", 1024, (75, 20)), ("small", 4096, (83, 61)),
    ("tiny", 4096, (69, 86)), ("small", 4096, (90, 71))])
def test_bands_change_nothing(base, ab_words, sides):
    network = toy_image_network(3, {"small": (9, 7), "large": sides})
    names = compare(network, machine(base, ab_words))
    assert any("@1" in n for n in names["large"])


def test_bands_of_the_first_toy():
    """Bands whose last tensor is in polyphase order, and an input that is not folded."""
    network = toy_network(0, height=23, width=17)
    network = replace(network, subnets=(network.subnet("min"), network.subnet("mid")))
    names = compare(network, replace(get_config("tiny"), ab_words=1024))
    assert any(n.startswith("stem@") for n in names["mid"])


@pytest.mark.parametrize("base,ab_words,sides", [("tiny", 2048, (32, 82)), ("small", 2048, (32, 82)),
                                                 ("tiny", 1024, (28, 52))])
def test_tensors_in_memory(base, ab_words, sides):
    """What fits in no other way is stored, and loaded where it is read, as a whole or by bands."""
    network = toy_image_network(2, {"small": (9, 7), "large": sides})
    config = machine(base, ab_words)
    plan = make_plan(network, network.subnet("large"), config)
    steps, _ = scheduled(network, config, plan)
    assert plan.spilled
    for kind in (Load, Store):
        assert {x.buffer.tensor for x in steps if isinstance(x, kind)} >= plan.spilled
    compare(network, config)
    rows = [r for r in explain(network, network.subnet("large"), config).layers if r.name in plan.spilled]
    assert {r.kind for r in rows} > {"load", "store"}
    assert all(("kept in memory" in r.why) == (r.kind in ("load", "store")) for r in rows)


def test_in_place_bands_never_read_what_was_overwritten():
    """Every row of a tensor that a band reads still has the value of its own layer."""
    network = toy_image_network(5, {"large": (70, 60)})
    for ab_words in (1024, 2048, 4096):
        for base in ("tiny", "small"):
            try:
                compare(network, machine(base, ab_words))
            except ActivationBufferError:
                assert ab_words < 4096


def test_random_sizes():
    seed = 11
    print("seed", seed)
    rng = random.Random(seed)
    banded = fitted = 0
    for n in range(12):
        sides = {"small": (rng.randint(1, 40), rng.randint(1, 40)), "large": (rng.randint(20, 90), rng.randint(20, 90))}
        config = machine(rng.choice(("tiny", "small")), 1 << rng.randint(10, 12))
        try:
            names = compare(toy_image_network(n, sides), config)
        except ActivationBufferError:
            continue
        fitted += 1
        banded += any("@" in x for tensors in names.values() for x in tensors)
    assert fitted >= 6 and banded >= 2


def test_a_pool_of_bands_is_a_pass_of_its_own():
    """The depthwise layer before squeeze-and-excite is computed in bands; an identity layer sums its whole result."""
    network = toy_image_network(0, {"large": (40, 24)})
    layers = network.subnets[0].layers
    start = next(n for n, x in enumerate(layers) if x.name == "expand1")
    # The buffer holds the result of the depthwise layer, but not that and its input.
    assert identity_layer(network) is network.layers[5]
    schedule = Schedule(network, network.subnets[0], machine("tiny", 1024))
    assert schedule.bandable(Segment(first=start, end=start + 2, bands=2))
    schedule.whole = {t: schedule.forms.buffer(t) for t in schedule.crossing(start)}
    steps = schedule.segment(Segment(first=start, end=start + 2, bands=2))
    assert [x.layer.name for x in steps] == ["expand1", "dw1"] * 2 + ["dw1.sum"]
    assert [x.pooled is not None for x in steps] == [False] * 4 + [True] and steps[-1].out is None


def test_shared_words_and_splits():
    network = toy_image_network(0)
    config = machine("small", 8192)
    compiled = compile_network(network, config)
    lines = [d for d in compiled.descriptors("large") if d["opcode"] == Opcode.CONV]
    shared = {x.id for x in compiled.layers if x.shared}
    assert shared == {3, 4, 5}
    assert all((d["w_blocks"] == 0) == (d["layer"] in shared) for d in lines)
    assert not shared & set(compiled.subnet_boxes("large"))
    assert all(not x.pixels for x in compiled.layers if x.shared)
    assert any(d["split"] for d in lines)
    for d in lines:
        if d["flags"] & (Flag.DEPTHWISE | Flag.MAXIMUM | Flag.POOL):
            assert d["split"] == 0
    with Engine(GoldenDevice(config), compiled) as engine, pytest.raises(
            BadArgument, match=r"^layer maxpool cannot be cached, its words serve all channels: leave it out of the "
                               r"SubGraph$"):
        engine.cache({3: (1, 1, 9)})


def test_cache_of_a_network_with_shared_words():
    network = toy_image_network(0)
    config = machine("small", 8192)
    image = np.random.default_rng(0).integers(0, 256, (*network.image_side(network.subnet("large")), 3), np.uint8)
    with Engine(GoldenDevice(config), compile_network(network, config)) as engine:
        plain = engine.infer("large", image)
        boxes = engine.compiled.subnet_boxes("large")
        engine.cache({k: boxes[k] for k in (0, 1, 10, 11, 12, 16, 17)})
        cached = engine.infer("large", image)
    assert np.array_equal(plain.logits, cached.logits) and cached.counters.bytes_weights_pb > 0


def test_scalar_arithmetic_of_the_new_kinds():
    """The interpreter against Python integers: fold, maximum, average and scale."""
    network = toy_image_network(2, {"small": (7, 6)})
    image = np.random.default_rng(2).integers(0, 256, (1, 7, 6, 3)).astype(np.uint8)
    t = {name: x[0].astype(int) for name, x in Interpreter(network, "small").tensors(image).items()}
    codes = network.input_table[np.arange(3), image[0]].astype(int)

    def at(x, y, col, outside):
        return x[y, col] if 0 <= y < x.shape[0] and 0 <= col < x.shape[1] else np.full(x.shape[2], outside)

    layers = {x.name: x for x in network.subnets[0].layers}
    for y, x in np.ndindex(4, 3):
        under = [at(codes, 2 * y + dy, 2 * x + dx, network.input_zp) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert t["input"][y, x].tolist() == np.concatenate(under).tolist()
    for y, x in np.ndindex(2, 2):
        around = [at(t["stem2"], 2 * y + dy, 2 * x + dx, layers["maxpool"].zp_in)
                  for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert t["maxpool"][y, x].tolist() == np.max(around, 0).tolist()
    pool = layers["avgpool"]
    four = sum(at(t["maxpool"], dy, dx, pool.zp_in) for dy in (0, 1) for dx in (0, 1))
    want = [arith.requantise(int(v), int(pool.bias[0]), 1, 2, pool.zp_out) for v in four]
    assert t["avgpool"][0, 0].tolist() == want
    scale = layers["scale"].scale
    for y, x, c in np.ndindex(t["scale"].shape):
        factor = arith.scale_factor(int(t["excite1"][0, 0, c]), scale.mult)
        assert t["scale"][y, x, c] == arith.add_residual(int(t["dw1"][y, x, c]), 0, mult_y=factor, mult_r=0,
                                                         shift=scale.shift, zp_y=scale.zp_y, zp_res=0,
                                                         zp_sum=scale.zp_sum)


def test_average_pools_are_packed_for_stride_1():
    """The machine computes them with stride 1: the same words mean another kernel with the slots of stride 2."""
    network = toy_image_network(0)
    s = network.layers[4]
    kernel = unpack_weights(s, network.weights[s.offset:s.offset + s.words])[0, 0]
    assert kernel.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert unpack_weights(replace(s, stride=1), network.weights[s.offset:s.offset + s.words])[0, 0].tolist() \
        == kernel.tolist()


def test_in_place():
    """A residual sum is written over its dead input, a pooled tensor over the one it pools."""
    network = toy_image_network(0)
    config = machine("tiny", 8192)
    steps, _ = scheduled(network, config, make_plan(network, network.subnet("large"), config))
    over = {x.out.name: x.out.over for x in steps if hasattr(x, "layer") and x.out}
    assert over["project1"].name == "conv3" and over["conv3"].name == "shortcut" and over["avgpool"].name == "maxpool"
    assert over["stem1"] is None            # stem0 is its input as well
    for x in steps:
        if hasattr(x, "layer") and x.out and x.out.over:
            gap = x.out.over.base - x.out.base
            assert gap == 0 if not x.out.over_gap else gap >= x.out.over_gap or gap <= -x.out.over.words


def test_orders():
    """Shortcuts may be computed late."""
    subnet = toy_image_network(0).subnet("large")
    moved = (*subnet.layers[:4], subnet.layers[6], subnet.layers[7], *subnet.layers[4:6], *subnet.layers[8:])
    early = replace(subnet, layers=moved)
    first, late = orders(early)
    assert first is early and [x.name for x in late.layers] == [x.name for x in subnet.layers]
    assert [x.info.name for x in orders(subnet)] == ["large"]


def test_cut():
    assert cut(7, 3) == [(0, 2), (2, 4), (4, 7)]
    assert cut(7, 3, 2) == [(0, 2), (2, 4), (4, 7)]
    assert cut(5, 9, 2) == [(0, 2), (2, 4), (4, 5)]
    assert even((3, 5), 7) == (2, 6) and even((3, 7), 7) == (2, 7)


def test_images_of_different_sizes():
    network = toy_image_network(0)
    compiled = compile_network(network, machine("tiny", 8192))
    with pytest.raises(GraphError, match=r"^the SubNets of toy-image take images of different sizes: name the SubNet$"):
        compiled.encode_input(np.zeros((13, 10, 3), np.uint8))
    with pytest.raises(BadArgument, match=r"^the image must be uint8 \[30, 37, 3\], not uint8 \[13, 10, 3\]$"):
        compiled.encode_input(np.zeros((13, 10, 3), np.uint8), "large")
    assert len(compiled.encode_input(np.zeros((13, 10, 3), np.uint8), "small")) == 8 * 4 * 40
    assert compiled.fold == Fold(kernel=3, stride=2)


def test_explain():
    network = toy_image_network(3, {"large": (77, 80)})
    plan = explain(network, network.subnets[0], machine("small", 4096))
    rows = {r.name: r for r in plan.layers}
    assert plan.cycles == sum(r.cycles for r in plan.layers) and 0 < plan.ab_words <= 4096
    assert any(r.bands > 1 and r.why.startswith("in bands: whole it needs ") for r in plan.layers)
    assert rows["input"].kind == "load" and rows["input"].why in ("whole", "in bands of rows")
    assert rows["maxpool"].kind == "maximum 3x3 s2" and rows["avgpool"].kind == "average 3x3 s2"
    assert rows["scale"].kind == "scale 1x1" and rows["fc"].why == "whole"
    assert rows["project1"].why == "whole, over conv3"
    assert {r.bound for r in plan.layers} <= {"array", "weights", "start", "memory"}
    assert plan.to_json()["layers"][0]["name"] == "input"


def test_what_does_not_fit():
    network = toy_image_network(3, {"large": (77, 80)})
    with pytest.raises(ActivationBufferError, match=r"^SubNet large, layer \w+: the tensors in use need \d+ pixel "
                       r"words of activation buffer, configuration 'cut' has 1024, and no bands of rows fit: choose a "
                       r"larger configuration$"):
        compile_network(network, machine("tiny", 1024))
