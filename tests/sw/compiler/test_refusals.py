"""What the compiler refuses, and the words it uses."""
from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from nigiri.compiler.chains import make_plan, scheduled
from nigiri.compiler.compile import compile_network
from nigiri.compiler.constants import collect
from nigiri.compiler.errors import (
    ActivationBufferError,
    CompileError,
    DynamicBufferError,
    GraphError,
    ResidencyTableError,
)
from nigiri.compiler.schedule import Schedule
from nigiri.runtime.errors import BadArgument
from nigiri.spec import CONFIGS, get_config

TINY = get_config("tiny")


def test_too_many_layers(demo):
    with pytest.raises(ResidencyTableError, match=r"^SuperNet layer s1b2\.project: the SuperNet has 28 layers, the "
                       "residency "
                       r"table of configuration 'tiny' has 16 entries: choose a larger configuration$"):
        compile_network(demo.network, TINY)


def test_activation_buffer(demo):
    small = replace(get_config("pynq_z2"), name="small", ab_words=512)
    with pytest.raises(ActivationBufferError, match=r"^SubNet max, layer \w+\.\w+: the tensors in use need \d+ pixel "
                       r"words of activation buffer, configuration 'small' has 512, and no bands of rows fit: choose a "
                       r"larger configuration$"):
        compile_network(replace(demo.network, subnets=demo.network.subnets[-1:]), small)


def test_dynamic_buffer(toy):
    with pytest.raises(DynamicBufferError, match=r"^SubNet max, layer fc: one output block needs 65 words of dynamic "
                       "buffer, "
                       r"configuration 'small' has 64: choose a larger configuration$"):
        large = toy.subnet("max")
        stretched = _wide(toy, 512)
        compile_network(replace(stretched, subnets=(stretched.subnet(large.info.name),)),
                        replace(TINY, name="small", db_words=64))


def _wide(toy, channels):
    """The toy network with a classifier of `channels` inputs."""
    large = toy.subnet("max")
    head, fc = large.layers[-2:]
    grow = {"cout": channels} | {k: np.resize(getattr(head, k), channels) for k in ("bias", "mult", "shift")}
    layers, at = [], 0
    for s in toy.layers:
        s = replace(s, offset=at,
                    **({"cout": channels} if s.name == "head" else {"cin": channels} if s.name == "fc" else {}))
        layers.append(s)
        at += s.words
    subnet = replace(large, layers=(*large.layers[:-2], replace(head, **grow), replace(fc, cin=channels)))
    return replace(toy, layers=tuple(layers), weights=np.zeros((at, 64), np.uint8), subnets=(subnet,))


def test_errors_are_compile_errors():
    assert all(issubclass(e, CompileError)
               for e in (ActivationBufferError, DynamicBufferError, GraphError, ResidencyTableError))


CHANGES = [
    ("stem", {"cin": 9}, r"layer stem: 9 -> 16 channels, kernel 3 are not a part of stem"),
    ("dw1", {"kernel": 2}, r"layer dw1: kernel 2 with stride 2 is not supported"),
    ("dw1", {"cin": 8}, r"layer dw1: a depthwise or maximum layer must have as many outputs as inputs, not 8 "
     r"-> 16"),
    ("stem", {"height": 2000}, r"layer stem: image 9 x 2000 is larger than 1023"),
    ("expand", {"source": "nowhere"}, r"layer expand: reads nowhere as 16 x 6 x 5, but that is missing"),
    ("expand", {"width": 6}, r"layer expand: reads dw1 as 16 x 6 x 6, but that is 16 x 6 x 5"),
    ("stem", {"bias": np.zeros(3)}, r"layer stem: bias must have 16 values, not \[3\]"),
    ("stem", {"weights": 77}, r"layer stem: SuperNet layer 77 does not exist"),
    ("fc", {"name": "head"}, r"layer head: the name is taken"),
]


@pytest.mark.parametrize("name,changes,message", CHANGES)
def test_unsound_graphs(toy, name, changes, message):
    large = toy.subnet("max")
    layers = tuple(replace(x, **changes) if x.name == name else x for x in large.layers)
    with pytest.raises(GraphError, match=f"^SubNet max: {message}$"):
        replace(toy, subnets=(replace(large, layers=layers),)).check()


def test_unsound_residuals(toy):
    large = toy.subnet("max")

    def with_source(name):
        return replace(toy, subnets=(replace(large, layers=tuple(
            replace(x, residual=replace(x.residual, source=name)) if x.residual else x for x in large.layers)),))

    with pytest.raises(GraphError, match=r"^SubNet max: layer project: residual dw2 does not have the shape of the "
                       "result$"):
        with_source("dw2").check()
    both = large.layers[0]
    twice = replace(both, name="again", source="stem", weights=4, cin=16, cout=16, kernel=1)
    with pytest.raises(GraphError, match=r"^SubNet max: layer dw1: stem is read with stride 1 and with stride 2; "
                       r"a tensor has one pixel order$"):
        replace(toy, subnets=(replace(large, layers=(both, twice, *large.layers[1:])),)).check()


def test_unsound_super_layers(toy):
    with pytest.raises(GraphError, match=r"^SuperNet layer dw1: id and offset must be 1 and 18, not 1 and 3$"):
        replace(toy, layers=(toy.layers[0], replace(toy.layers[1], offset=3), *toy.layers[2:])).check()
    with pytest.raises(GraphError, match=r"^the weight image must be uint8 \[\d+, 64\], not uint8 \[3, 64\]$"):
        replace(toy, weights=toy.weights[:3]).check()
    with pytest.raises(GraphError, match=r"^SubNet max: must have at least one layer$"):
        replace(toy, subnets=(replace(toy.subnet("max"), layers=()),)).check()


def test_unsound_sets_of_subnets(toy):
    large = toy.subnet("max")
    with pytest.raises(GraphError, match=r"^the network must have SubNets with different names, not \['max', 'max'\]$"):
        replace(toy, subnets=(large, large)).check()
    with pytest.raises(GraphError, match=r"^the network must have SubNets with different names, not \[\]$"):
        replace(toy, subnets=()).check()
    layers = (toy.layers[0], *toy.layers[1:5], replace(toy.layers[5], cin=3, offset=toy.layers[5].offset),
              *toy.layers[6:])
    at, fixed = 0, []
    for s in layers:
        fixed.append(replace(s, offset=at))
        at += s.words
    big = replace(large.layers[0], weights=5, cout=24, **{k: np.zeros(24, int) for k in ("bias", "mult", "shift")})
    other = replace(large, info=replace(large.info, name="other"), layers=(big,))
    one = replace(large, layers=large.layers[:1])
    with pytest.raises(GraphError, match=r"^all SubNets must read the image with the same stride: it has one pixel "
                       r"order$"):
        replace(toy, layers=tuple(fixed), weights=np.zeros((at, 64), np.uint8), subnets=(one, other)).check()


def test_table_shape(toy):
    large = toy.subnet("max")
    layers = (replace(large.layers[0], table=np.zeros(3, np.int8)), *large.layers[1:])
    with pytest.raises(ValueError, match=r"^layer stem: the table must be int8 \[256\], not int8 \[3\]$"):
        collect(replace(toy, subnets=(replace(large, layers=layers),)))


def test_parameter_beyond_its_field(toy):
    large = toy.subnet("max")
    layers = tuple(replace(x, pool=replace(x.pool, mult=65536)) if x.pool else x for x in large.layers)
    with pytest.raises(GraphError, match=r"^SubNet max, descriptor 7: field pool_mult must be between 0 and 65535, not "
                       "65536$"):
        compile_network(replace(toy, subnets=(replace(large, layers=layers),)), TINY)


def test_unknown_subnet(toy):
    with pytest.raises(GraphError, match=r"^unknown SubNet 'huge': choose one of min, mid, max$"):
        compile_network(toy, TINY).program("huge")
    with pytest.raises(GraphError, match=r"^unknown SubNet 'huge': choose one of min, mid, max$"):
        toy.subnet("huge")


def test_wrong_image(toy):
    compiled = compile_network(toy, TINY)
    with pytest.raises(BadArgument, match=r"^the image must be uint8 \[11, 9, 3\], not float64 \[11, 9, 3\]$"):
        compiled.encode_input(np.zeros((11, 9, 3)))
    with pytest.raises(BadArgument, match=r"^the image must be uint8 \[11, 9, 3\], not uint8 \[9, 11, 3\]$"):
        compiled.encode_input(np.zeros((9, 11, 3), np.uint8))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("keep_all", [False, True])
def test_live_tensors_do_not_overlap(toy, demo, config, keep_all):
    cases = [(toy, s) for s in toy.subnets]
    if config != "tiny":
        cases += [(demo.network, s) for s in random.Random(1).sample(demo.network.subnets, 3)]
    for network, subnet in cases:
        chosen = get_config(config)
        steps, need = scheduled(network, chosen, make_plan(network, subnet, chosen), keep_all)
        assert need <= chosen.ab_words
        placed = Schedule.live(steps)
        assert all(t.base % 8 == 0 and t.words % 8 == 0 and t.base >= 0 for t in placed)
        for n, a in enumerate(placed):
            for b in placed[:n]:
                if a.first <= b.last and b.first <= a.last and a.over is not b and b.over is not a:
                    assert a.base + a.words <= b.base or b.base + b.words <= a.base, (a.name, b.name)
