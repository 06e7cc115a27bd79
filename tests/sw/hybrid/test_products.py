"""Products of two tensors from the graph to the device, and the rules that they obey."""
from dataclasses import replace

import numpy as np
import pytest
from hybrid_small import config, random_network

from nigiri.compiler import compile_network
from nigiri.compiler.errors import BatchError, GraphError
from nigiri.compiler.graph import SubNet
from nigiri.hybrid.host import Softmax
from nigiri.hybrid.run import Golden, on_device
from nigiri.model.device import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import WrongVersion
from nigiri.spec import get_config
from nigiri.spec.registers import address
from nigiri.split.engine import PartEngine
from nigiri.split.part import compile_parts

PYNQ = get_config("pynq_z2")


def images(count, seed=5):
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def naive(layer, a, b, transpose):
    """A product written as its definition: pixels x channels, one sum at a time."""
    a = a.reshape(-1, a.shape[-1]).astype(int)
    b = b.reshape(-1, b.shape[-1]).astype(int)
    out = np.zeros((len(a), layer.cout), int)
    for t in range(len(a)):
        for o in range(layer.cout):
            column = b[:, o] if transpose else b[o]
            total = int(sum(x * y for x, y in zip(a[t], column, strict=True)))
            code = (total * int(layer.mult[o]) + (1 << int(layer.shift[o]) - 1)) >> int(layer.shift[o])
            out[t, o] = max(min(min(max(code, -128), 127), layer.act_max), layer.act_min)
    return out


@pytest.mark.parametrize("norm", ["relu", "softmax"])
def test_products_equal_their_definition(norm):
    network, parts = random_network(config(norm), seed=3)
    got = Golden(network, parts).tensors(images(1))
    seen = 0
    for p in parts:
        for x in p.layers if isinstance(p, SubNet) else ():
            if x.operand:
                transpose = network.layers[x.weights].transpose
                want = naive(x, got[x.source][0], got[x.operand][0], transpose)
                assert np.array_equal(want, got[x.name][0].reshape(want.shape)), x.name
                seen += 1
    assert seen == 8


def test_whole_network_on_the_golden_device():
    network, parts = random_network(config(), seed=1)
    compiled = compile_network(network, PYNQ)
    with Engine(GoldenDevice(PYNQ), compiled) as engine:
        for image in images(2):
            want = Golden(network, parts).tensors(image[None])
            for t in engine.dump("candidate", image):
                assert np.array_equal(t.data, want[t.tensor][0].transpose(2, 0, 1)), t.name
            assert np.array_equal(engine.infer("candidate", image).logits, want["fc"].reshape(-1))


def test_softmax_between_programs():
    network, parts = random_network(config("softmax"), seed=2)
    assert [type(p) is Softmax for p in parts] == [False, True, False, True, False]
    with PartEngine(GoldenDevice(PYNQ), compile_parts(network, PYNQ, network.subnets)) as engine:
        image = images(1)[0]
        run, want = on_device(engine, parts, image), Golden(network, parts).tensors(image[None])
        for name, value in run.tensors.items():
            if value.dtype == np.int8:
                assert np.array_equal(value, want[name][0].transpose(2, 0, 1)), name
        assert run.launches == 3 and run.moved > 0


def changed(subnet, name, **fields):
    return replace(subnet, layers=tuple(replace(x, **fields) if x.name == name else x for x in subnet.layers))


@pytest.mark.parametrize(("name", "fields", "text"), [
    ("s0b1.s0", {"operand": "nothing"}, "its operand nothing is missing"),
    ("s0b1.s0", {"operand": ""}, r"its operand \(none\) is missing"),
    ("s0b1.s0", {"operand": "stem"}, "stem must have 8 channels and 64 pixels, both multiples of 8, not 8 and 256"),
    ("s0b1.s0", {"zp_in": 3}, "must have zero point 0, not 3"),
    ("s0b1.k0", {"act_min": -128}, "an operand of a product has codes from -127 on"),
    ("s0b1.up", {"operand": "stem"}, "only a product has an operand"),
])
def test_rules(name, fields, text):
    network, _ = random_network(config())
    broken = replace(network, subnets=(changed(network.subnets[0], name, **fields),))
    with pytest.raises(GraphError, match=text):
        broken.check()


def test_no_batches_of_products():
    network, _ = random_network(config())
    with pytest.raises(BatchError, match="whose operands are one image's own: compile it for one image a launch"):
        compile_network(network, PYNQ, batch=2)
    with pytest.raises(BatchError, match="compile it for one image a launch"):
        compile_parts(network, PYNQ, network.subnets, batch=2)


def test_softmax_codes():
    rng = np.random.default_rng(0)
    scores = rng.integers(-128, 128, (16, 16), dtype=np.int8)
    step = Softmax(name="x", sources=("r",), results=("s",), scales=(0.05,))
    got = step.run({"r": scores}, -1)["s"]
    real = np.exp(0.05 * scores.astype(float))
    real /= real.sum(-1, keepdims=True)
    assert np.abs(got - 127 * real).max() <= 0.51
    assert np.array_equal(step.run({"r": scores.T}, 0)["s"], got.T)
    assert (step.run({"r": np.full((4, 4), -128, np.int8)}, -1)["s"] == 32).all()


def test_an_older_bitstream_is_refused(monkeypatch):
    """It would take the flag for nothing and give wrong results."""
    network, _ = random_network(config())
    device = GoldenDevice(PYNQ)
    read = device.read_register
    monkeypatch.setattr(device, "read_register", lambda a: 0x000201 if a == address("VERSION") else read(a))
    with pytest.raises(WrongVersion, match=r"version 0\.2\.1, products of two tensors need 0\.2\.2: load"):
        Engine(device, compile_network(network, PYNQ))
    plain, _ = random_network(config(kinds=(0, 0, 0, 0)))
    Engine(device, compile_network(plain, PYNQ)).close()
