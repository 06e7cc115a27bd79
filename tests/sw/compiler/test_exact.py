"""Compiled programs on the golden device, the batch interpreter and scalar arithmetic: the same integers."""
from __future__ import annotations

import itertools

import numpy as np
import pytest

from nigiri import bundle
from nigiri.compiler.compile import compile_network
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.pack import unpack_weights
from nigiri.compiler.toy import toy_network
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.spec import CONFIGS, arith, get_config


def scalar(network, layer, x, residual):
    """One layer on Python integers: int8 [H, W, cin] -> [h, w, cout]."""
    s, k, r = network.super_layer(layer), layer.kernel, layer.kernel // 2
    w = unpack_weights(s, network.weights[s.offset:s.offset + s.words]).astype(int)
    c = (s.kernel - k) // 2
    height, width = network.out_side(layer)
    out = np.zeros((height, width, layer.cout), int)
    for y, col, o in itertools.product(range(height), range(width), range(layer.cout)):
        acc = 0
        for dy, dx in itertools.product(range(k), range(k)):
            yy, xx = y * s.stride + dy - r, col * s.stride + dx - r
            inside = 0 <= yy < layer.height and 0 <= xx < layer.width
            for i in [o] if s.depthwise else range(layer.cin):
                acc += int(w[o, 0 if s.depthwise else i, c + dy, c + dx]) * (int(x[yy, xx, i]) if inside
                                                                             else layer.zp_in)
        v = arith.requantise(acc, int(layer.bias[o]), int(layer.mult[o]), int(layer.shift[o]), layer.zp_out)
        if layer.table is not None:
            v = int(layer.table[v & 0xFF])
        if layer.residual:
            t = layer.residual
            v = arith.add_residual(v, int(residual[y, col, o]), mult_y=t.mult_y, mult_r=t.mult_r, shift=t.shift,
                                   zp_y=t.zp_y, zp_res=t.zp_res, zp_sum=t.zp_sum)
        out[y, col, o] = arith.clamp(v, layer.act_min, layer.act_max)
    return out


@pytest.mark.parametrize("seed", [3, 4])
def test_interpreter_is_the_specification(seed):
    network = toy_network(seed, height=5, width=4)
    image = np.random.default_rng(seed).integers(0, 256, (1, 5, 4, 3)).astype(np.uint8)
    tensors = Interpreter(network, "mid").tensors(image)
    for layer in network.subnet("mid").layers:
        residual = tensors[layer.residual.source][0] if layer.residual else None
        want = scalar(network, layer, tensors[layer.source][0], residual)
        assert (tensors[layer.name][0] == want).all(), layer.name
        if layer.pool:
            sums = want.reshape(-1, layer.cout).sum(0)
            pooled = [arith.requantise(int(v), layer.pool.offset, layer.pool.mult, layer.pool.shift, layer.pool.zp)
                      for v in sums]
            assert tensors[f"{layer.name}.pool"].reshape(-1).tolist() == pooled


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("seed,height,width", [(0, 11, 9), (1, 8, 8), (2, 3, 16)])
def test_programs_are_the_graph(config, seed, height, width):
    print("seed", seed)
    network = toy_network(seed, height, width)
    images = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3)).astype(np.uint8)
    with Engine(GoldenDevice(get_config(config)), compile_network(network, get_config(config))) as engine:
        for subnet in ("min", "mid", "max", "min"):
            reference = Interpreter(network, subnet)
            tensors = reference.tensors(images)
            dumped = engine.dump(subnet, images[0])
            assert {t.name for t in dumped} == set(tensors) - {"input"}
            for t in dumped:
                assert (t.data == tensors[t.name][0].transpose(2, 0, 1)).all(), t.name
            for image, logits in zip(images, reference.logits(images), strict=True):
                assert (engine.infer(subnet, image).logits == logits).all()


@pytest.mark.parametrize("subnet", ["min", "max"])
def test_demo_network(demo, subnet):
    images, _ = bundle.demo_images()
    compiled = demo.compiled(get_config("pynq_z2"))
    with Engine(GoldenDevice(compiled.config), compiled) as engine:
        tensors = Interpreter(demo.network, subnet).tensors(images[:1])
        for t in engine.dump(subnet, images[0]):
            assert (t.data == tensors[t.name][0].transpose(2, 0, 1)).all(), t.name
        assert (engine.infer(subnet, images[0]).logits == tensors["fc"].reshape(-1)).all()


def test_threads_and_batches_change_nothing(toy):
    images = np.random.default_rng(0).integers(0, 256, (21, toy.height, toy.width, 3)).astype(np.uint8)
    want = Interpreter(toy, "max", batch=21).logits(images)
    assert (Interpreter(toy, "max", batch=4, threads=3).logits(images) == want).all()


def test_large_sums_wrap_as_32_bits(toy):
    """A bias at the end of its range makes the sum wrap; the interpreter and the device agree."""
    layers = list(toy.subnet("min").layers)
    object.__setattr__(layers[0], "bias", np.full_like(layers[0].bias, 2**31 - 1))
    image = np.random.default_rng(5).integers(0, 256, (1, toy.height, toy.width, 3)).astype(np.uint8)
    try:
        with Engine(GoldenDevice(get_config("tiny")), compile_network(toy, get_config("tiny"))) as engine:
            stem = engine.dump("min", image[0])[0].data
        assert (stem == Interpreter(toy, "min").tensors(image)["stem"][0].transpose(2, 0, 1)).all()
        assert stem.min() == -128 and stem.max() == 127
    finally:
        object.__setattr__(layers[0], "bias", toy_network(0).subnet("min").layers[0].bias)
