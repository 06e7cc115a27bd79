"""The engine on the golden device: inference, and caches that change nothing but where weights come from."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nigiri.compiler.compile import compile_network
from nigiri.compiler.interpret import Interpreter
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument, FillError, WrongConfiguration
from nigiri.runtime.placement import Placed, entries, place
from nigiri.spec import get_config
from nigiri.spec.errors import ErrorCode

TINY = get_config("tiny")


@pytest.fixture
def engine(toy):
    with Engine(GoldenDevice(TINY), compile_network(toy, TINY)) as e:
        yield e


def image(toy, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (toy.height, toy.width, 3)).astype(np.uint8)


def test_label_is_the_largest_logit(toy, engine):
    result = engine.infer("max", image(toy))
    assert result.subnet == "max" and result.logits.shape == (10,) and result.label == int(result.logits.argmax())


def test_cache_moves_reads_from_memory_to_the_buffer(toy, engine):
    boxes = engine.compiled.subnet_boxes("max")
    total = 64 * sum(o * i * t for o, i, t in boxes.values())
    plain = engine.infer("max", image(toy))
    assert (plain.counters.bytes_weights_dram, plain.counters.bytes_weights_pb) == (total, 0)
    change = engine.cache(boxes)
    assert change.entries == len(boxes) and change.bytes_fill == 64 * len(boxes) + total
    cached = engine.infer("max", image(toy))
    assert (cached.counters.bytes_weights_dram, cached.counters.bytes_weights_pb) == (0, total)
    assert (cached.logits == plain.logits).all() and engine.cached == boxes


@pytest.mark.parametrize("seed", range(4))
def test_random_caches_never_change_a_result(toy, seed):
    print("seed", seed)
    rng = np.random.default_rng(seed)
    config = replace(TINY, pb_words=60)
    want = {s: Interpreter(toy, s).logits(image(toy)[None])[0] for s in ("min", "mid", "max")}
    with Engine(GoldenDevice(config), compile_network(toy, config)) as engine:
        for _ in range(12):
            graph, room = {}, 60
            for n in rng.permutation(len(toy.layers)):
                s = toy.layers[n]
                box = tuple(int(rng.integers(0, full + 1)) for full in (s.out_blocks, s.in_blocks, s.taps))
                if np.prod(box) <= room:
                    graph[int(n)] = box
                    room -= int(np.prod(box))
            engine.cache(graph, wait=bool(rng.integers(2)))
            subnet = ("min", "mid", "max")[rng.integers(3)]
            assert (engine.infer(subnet, image(toy)).logits == want[subnet]).all()
            engine.wait_cache()
            assert engine.cached == {n: box for n, box in graph.items() if np.prod(box)}


def test_only_differences_are_read(engine):
    assert engine.cache({0: (2, 1, 9), 1: (2, 1, 3)}).entries == 2
    assert engine.cache({0: (2, 1, 9), 1: (2, 1, 3)}).entries == 0
    change = engine.cache({0: (2, 1, 9), 1: (2, 1, 5)})
    assert (change.entries, change.bytes_fill) == (2, 2 * 64 + 640)
    assert engine.cache({}).entries == 2 and engine.cached == {}


def test_placement_keeps_what_stays_and_packs_when_it_must():
    old = {0: Placed((1, 1, 4), 0), 1: Placed((1, 1, 4), 4), 2: Placed((1, 1, 2), 8)}
    assert place({1: (1, 1, 4), 3: (1, 1, 3)}, old, 10) == {1: old[1], 3: Placed((1, 1, 3), 0)}
    assert place({1: (1, 1, 4), 3: (1, 1, 6)}, old, 10) == {1: Placed((1, 1, 4), 0), 3: Placed((1, 1, 6), 4)}
    assert place({1: (0, 1, 4)}, old, 10) == {}


def test_invalidations_come_first(engine):
    layers = engine.compiled.layers
    todo = entries({0: Placed((1, 1, 9), 0), 1: Placed((1, 1, 3), 9)},
                   {1: Placed((1, 1, 3), 0), 2: Placed((1, 1, 1), 3)}, layers)
    assert [(e["layer"], e.get("out_blocks", 0)) for e in todo] == [(0, 0), (1, 0), (1, 1), (2, 1)]


@pytest.mark.parametrize("graph,message", [
    ({8: (1, 1, 1)}, r"the SubGraph names layer 8, the SuperNet has layers 0 to 7"),
    ({0: (3, 1, 1)}, r"the box of layer stem must be between \(0, 0, 0\) and \(2, 1, 9\), not \(3, 1, 1\)"),
    ({0: (1, -1, 1)}, r"the box of layer stem must be between \(0, 0, 0\) and \(2, 1, 9\), not \(1, -1, 1\)"),
    ({0: (1, 1)}, r"the box of layer stem must be between \(0, 0, 0\) and \(2, 1, 9\), not \(1, 1\)")])
def test_unsound_subgraphs(engine, graph, message):
    with pytest.raises(BadArgument, match=f"^{message}$"):
        engine.cache(graph)
    assert engine.cached == {}


def test_too_large_subgraph(toy):
    config = replace(TINY, pb_words=17)
    with Engine(GoldenDevice(config), compile_network(toy, config)) as engine, pytest.raises(
            BadArgument, match=r"^the SubGraph needs 18 words of persistent buffer, the configuration has 17: cache "
                                                                                             "fewer weights$"):
        engine.cache({0: (2, 1, 9)})


def test_failed_fill_leaves_nothing_cached(toy, engine):
    engine.cache({0: (2, 1, 9)})
    wrong = replace(engine.compiled.layers[1], mem_offset=1 << 20)
    engine.compiled = replace(engine.compiled, layers=(engine.compiled.layers[0], wrong, *engine.compiled.layers[2:]))
    with pytest.raises(FillError) as caught:
        engine.cache({0: (2, 1, 9), 1: (1, 1, 5)})
    assert caught.value.code == ErrorCode.WINDOW
    assert engine.cached == {} and engine.infer("max", image(toy)).counters.bytes_weights_pb == 0


def test_device_of_another_configuration(toy):
    with pytest.raises(WrongConfiguration):
        Engine(GoldenDevice(get_config("kv260")), compile_network(toy, TINY))
