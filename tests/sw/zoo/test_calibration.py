"""Calibrated networks on small images: alive, exact, cached."""
from dataclasses import replace

import numpy as np
import pytest

from nigiri import zoo
from nigiri.compiler.graph import INPUT
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.pack import unpack_weights
from nigiri.spec.arith import add_residual, clamp, requantise, scale_factor, shift_round
from nigiri.zoo import cache
from nigiri.zoo.build import FAMILIES, assemble, calibrated
from nigiri.zoo.propagate import run


@pytest.mark.parametrize("net", ["mobilenet", "resnet"])
def test_every_tensor_is_alive(net, request):
    network = request.getfixturevalue(net)
    subnet = network.subnets[0]
    tensors = {t.name: t for t in zoo.check_alive(network, subnet.info.name)}
    pooled = sum(layer.pool is not None for layer in subnet.layers)
    assert len(tensors) == 1 + len(subnet.layers) + pooled
    logits = tensors[subnet.output]
    assert logits.distinct > 60 and logits.shape == (1, 1, 1000)


@pytest.mark.parametrize("net", ["mobilenet", "resnet"])
def test_the_answer_depends_on_the_image(net, request):
    network = request.getfixturevalue(net)
    subnet = network.subnets[0]
    logits = run(network, subnet.info.name, zoo.pictures(4, subnet.height, seed=7))[subnet.output].astype(float)
    assert logits.std(0).mean() > 1.5                          # codes


@pytest.mark.parametrize("net", ["mobilenet", "resnet"])
def test_propagation_is_the_arithmetic_of_the_specification(net, request):
    """A few values of every tensor, from Python integers."""
    network = request.getfixturevalue(net)
    subnet = network.subnets[0]
    tensors = run(network, subnet.info.name, zoo.pictures(1, subnet.height, seed=2))
    rng = np.random.default_rng(0)
    for layer in subnet.layers:
        s = network.super_layer(layer)
        w = unpack_weights(s, network.weights[s.offset:s.offset + s.words]) if not s.maximum else None
        x, r = tensors[layer.source][0].astype(int), layer.kernel // 2
        x = np.pad(x, ((r, r), (r, r), (0, 0)), constant_values=layer.zp_in)
        for _ in range(3):
            height, width, _ = tensors[layer.name].shape[1:]
            py, px, c = (int(rng.integers(n)) for n in (height, width, layer.cout))
            window = x[py * s.stride:py * s.stride + layer.kernel, px * s.stride:px * s.stride + layer.kernel]
            crop = slice(s.kernel // 2 - r, s.kernel // 2 + r + 1)
            if s.maximum:
                acc = int(window[..., c].max())
            elif s.depthwise:
                acc = int((window[..., c] * w[c % 8 if s.shared else c, 0, crop, crop].astype(int)).sum())
            else:
                acc = int((window * w[c, :layer.cin, crop, crop].astype(int).transpose(1, 2, 0)).sum())
            v = requantise(acc, int(layer.bias[c]), int(layer.mult[c]), int(layer.shift[c]), layer.zp_out)
            if layer.table is not None:
                v = int(layer.table[v & 255])
            if layer.residual:
                fields = {k: n for k, n in layer.residual.__dict__.items() if k != "source"}
                v = add_residual(v, int(tensors[layer.residual.source][0, py, px, c]), **fields)
            if layer.scale:
                factor = scale_factor(int(tensors[layer.scale.source][0, 0, 0, c]), layer.scale.mult)
                v = clamp(shift_round((v - layer.scale.zp_y) * factor, layer.scale.shift) + layer.scale.zp_sum)
            assert v == tensors[layer.name][0, py, px, c], (layer.name, py, px, c)
            if layer.pool:
                p, total = layer.pool, int(tensors[layer.name][0, :, :, c].astype(int).sum())
                v = clamp(shift_round((total + p.offset) * p.mult, p.shift) + p.zp)
                assert v == tensors[f"{layer.name}.pool"][0, 0, 0, c], layer.name


@pytest.mark.parametrize("net", ["mobilenet", "resnet"])
def test_propagation_agrees_with_the_interpreter(net, request):
    network = request.getfixturevalue(net)
    subnet = network.subnets[0]
    images = zoo.pictures(2, subnet.height, seed=4)
    want, got = run(network, subnet.info.name, images), Interpreter(network, subnet.info.name).tensors(images)
    assert [k for k in want if not np.array_equal(want[k], got[k])] == []


def test_constants_fit_their_fields(mobilenet, resnet):
    for network in (mobilenet, resnet):
        for x in network.subnets[0].layers:
            assert x.shift.max() <= 63 and x.mult.dtype == np.uint16 and x.bias.dtype == np.int32
            if x.residual:
                assert 0 < x.residual.mult_y <= 65535 and 0 < x.residual.mult_r <= 65535 and x.residual.shift <= 63
            for y in (x.scale, x.pool):
                assert y is None or (0 < y.mult <= 65535 and 0 <= y.shift <= 63)


def test_subnets_share_weights_but_not_constants(mobilenet):
    f = FAMILIES["ofa_mbv3_w10"]
    choice = replace(f.choices["p0"], side=32)
    other = assemble(f, {"p0": (choice, calibrated(f, choice, 0))}, 0)
    assert other.weights is mobilenet.weights and other.layers == mobilenet.layers
    a, b = other.subnets[0].layers[0], mobilenet.subnets[0].layers[0]
    assert a.name == b.name and not np.array_equal(a.bias, b.bias)


def test_saturated_network_is_refused(mobilenet):
    subnet = mobilenet.subnets[0]
    layers = list(subnet.layers)
    n = next(n for n, x in enumerate(layers) if x.name == "s1.b0.project")
    layers[n] = replace(layers[n], shift=layers[n].shift - np.uint8(5))
    broken = replace(mobilenet, subnets=(replace(subnet, layers=tuple(layers)),))
    with pytest.raises(zoo.DeadNetwork, match=r"SubNet min of ofa_mbv3_w10: tensor s1.b0.project .* is not alive: "
                                              r"\d+\.\d% of its codes are -?12[78]; calibrate it with other images"):
        zoo.check_alive(broken, "min")


@pytest.mark.parametrize(("values", "text"), [
    ({"low": 0.9}, "90.0% of its codes are -128"), ({"high": 0.5}, "50.0% of its codes are 127"),
    ({"distinct": 3}, "it has 3 different codes, fewer than 24"), ({"constant": 0.5}, "50.0% of its channels are"),
    ({}, "")])
def test_what_makes_a_tensor_unsound(values, text):
    sound = {"name": "x", "shape": (8, 8, 16), "low": 0.0, "high": 0.0, "distinct": 200, "constant": 0.0,
             "one_sided": False}
    problem = zoo.Tensor(**sound | values).problem()
    assert problem.startswith(text) and bool(problem) == bool(text)


def test_pictures():
    a = zoo.pictures(2, 48, seed=1)
    assert a.shape == (2, 48, 48, 3) and a.dtype == np.uint8 and np.array_equal(a, zoo.pictures(2, 48, seed=1))
    assert not np.array_equal(a[0], a[1]) and 80 < a.mean() < 160 and a.std() > 30
    assert np.abs(np.diff(a.astype(int), axis=1)).mean() < a.std() / 2          # neighbours are alike


def test_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    f = FAMILIES["ofa_mbv3_w10"]
    monkeypatch.setitem(f.choices, "tiny", replace(f.choices["min"], side=32))
    first = zoo.cached("ofa_mbv3_w10:tiny")
    [file] = (tmp_path / "zoo").iterdir()
    assert file.name.startswith("ofa_mbv3_w10-tiny-0-") and file.suffix == ".npz"
    monkeypatch.setattr(cache, "calibrated", None)                              # nothing is calibrated again
    second = zoo.cached("ofa_mbv3_w10:tiny")
    for a, b in zip(first.subnets[0].layers, second.subnets[0].layers, strict=True):
        for key, value in a.__dict__.items():
            assert np.array_equal(value, getattr(b, key)), key
    image = zoo.pictures(1, 32, seed=3)
    want, got = run(first, "tiny", image), run(second, "tiny", image)
    assert all(np.array_equal(want[k], got[k]) for k in want) and INPUT in want
    monkeypatch.undo()
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    monkeypatch.setitem(f.choices, "tiny", replace(f.choices["min"], side=32))
    stale = file.with_name("ofa_mbv3_w10-tiny-0-00.npz")
    file.rename(stale)
    zoo.cached("ofa_mbv3_w10:tiny")
    assert file.exists() and not stale.exists()                                 # of an older version of the code
    file.write_bytes(b"damaged")
    assert np.array_equal(zoo.cached("ofa_mbv3_w10:tiny").subnets[0].layers[0].bias, first.subnets[0].layers[0].bias)


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "zoo"
    monkeypatch.delenv("NIGIRI_BUILD_DIR")
    assert cache.cache_folder().parts[-2:] in (("build", "zoo"), ("nigiri", "zoo"))
