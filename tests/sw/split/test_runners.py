"""Whoever computes a part, the bytes are the same: golden arithmetic, torch, a device, at every cut."""
import random
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from nigiri import bundle
from nigiri.compiler.errors import BatchError
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.pack import pack_weights
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.hybrid.blank import blank
from nigiri.hybrid.space import HybridSpace
from nigiri.model.device import GoldenDevice
from nigiri.runtime.errors import BadArgument
from nigiri.spec import get_config
from nigiri.split.boundary import boundaries, crossing
from nigiri.split.engine import PartEngine
from nigiri.split.part import compile_parts, part_of
from nigiri.split.runners import DeviceRunner, GoldenRunner
from nigiri.supernet.space import Stage

PYNQ = get_config("pynq_z2")
SMALL = HybridSpace(name="small", image=16, channels=3, stem=8, down=8, classes=10, head=24, attention=(1,),
                    widths=(8, 16), heads=(1, 2),
                    stages=(Stage(width=8, stride=1, depths=(1,), expands=(1,)),
                            Stage(width=16, stride=2, depths=(2,), expands=(2,))))


def products_network(seed=0):
    """Attention, whose products multiply two tensors, with random weights and constants."""
    rng = np.random.default_rng(seed)
    network, _, parts = blank(SMALL, replace(SMALL.largest(), kinds=(0, 0, 1), heads=(1, 1, 2), norm="relu"))

    def random_layer(x):
        spread = np.sqrt(x.cin * x.kernel**2) * 73 * 74
        mult = np.clip(60 / spread * 2.0**24 * rng.uniform(0.5, 1.5, x.cout), 1, 65535).astype(np.uint16)
        bias = rng.integers(-int(spread), int(spread), x.cout).astype(np.int32) * (not x.operand)
        return replace(x, bias=bias, mult=mult, shift=np.full(x.cout, 24, np.uint8),
                       residual=x.residual and replace(x.residual, mult_y=30000, mult_r=20000, shift=15),
                       pool=x.pool and replace(x.pool, mult=4000, shift=15))

    words = [pack_weights(s, rng.integers(-127, 128, (s.cout, 1 if s.depthwise else s.cin, s.kernel, s.kernel))
                          .astype(np.int8)) for s in network.layers if not s.product]
    table = (np.arange(256) - 128).astype(np.int8)[None].repeat(3, 0)
    network = replace(network, weights=np.concatenate(words), input_table=table, subnets=tuple(
        replace(p, layers=tuple(random_layer(x) for x in p.layers)) for p in parts))
    network.check()
    return network


NETWORKS = {"toy": (toy_network(2), "mid"), "operators": (toy_image_network(5), "large"),
            "products": (products_network(), "candidate")}


def image_of(network, subnet, seed=0):
    height, width = network.image_side(network.subnet(subnet))
    return np.random.default_rng(seed).integers(0, 256, (height, width, network.channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def shipped():
    return bundle.load(str(files("nigiri") / "data" / "demo.nigiri")).network


def check_two(network, subnet, first, second, cuts=None):
    count = len(network.subnet(subnet).layers)
    image = image_of(network, subnet)
    want = Interpreter(network, subnet).tensors(image[None])
    output = network.subnet(subnet).output
    for n in cuts or range(1, count):
        middle = first.run(subnet, 0, n, {"input": image})
        for name, value in middle.items():
            assert name == "input" or np.array_equal(value, want[name][0].transpose(2, 0, 1)), (n, name)
        got = second.run(subnet, n, count, middle)
        assert np.array_equal(got[output], want[output][0].transpose(2, 0, 1)), n


@pytest.mark.parametrize("which", NETWORKS)
def test_golden_and_device(which):
    network, subnet = NETWORKS[which]
    count = len(network.subnet(subnet).layers)
    parts = [p for n in range(1, count) for p in ((subnet, 0, n), (subnet, n, count))]
    device = DeviceRunner(network, GoldenDevice(PYNQ), parts)
    check_two(network, subnet, GoldenRunner(network), device)
    check_two(network, subnet, device, GoldenRunner(network))
    device.close()


@pytest.mark.parametrize("which", NETWORKS)
def test_golden_and_torch(which):
    pytest.importorskip("torch")
    from nigiri.split.torch_runner import TorchRunner

    network, subnet = NETWORKS[which]
    check_two(network, subnet, TorchRunner(network), GoldenRunner(network))
    check_two(network, subnet, GoldenRunner(network), TorchRunner(network))


def test_torch_on_the_shipped_network(shipped):
    pytest.importorskip("torch")
    from nigiri.split.torch_runner import TorchRunner, whole

    check_two(shipped, "min", TorchRunner(shipped), GoldenRunner(shipped))
    image = image_of(shipped, "max", 3)
    assert np.array_equal(whole(shipped, shipped.subnet("max"), image),
                          Interpreter(shipped, "max").logits(image[None])[0])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("which", ["operators", "products"])
def test_chains_of_three_parts(which, seed):
    rng = random.Random(seed)
    network, subnet = NETWORKS[which]
    count = len(network.subnet(subnet).layers)
    a, b = sorted(rng.sample(range(1, count), 2))
    image = image_of(network, subnet, seed)
    runner = DeviceRunner(network, GoldenDevice(PYNQ), [(subnet, 0, a), (subnet, a, b), (subnet, b, count)])
    tensors = {"input": image}
    for first, end in ((0, a), (a, b), (b, count)):
        tensors = runner.run(subnet, first, end, tensors)
    want = Interpreter(network, subnet).logits(image[None])[0]
    assert np.array_equal(tensors[network.subnet(subnet).output].reshape(-1), want)


@pytest.mark.parametrize("which", ["toy", "operators"])
def test_launches_of_several_images(which):
    network, subnet = NETWORKS[which]
    count, n = len(network.subnet(subnet).layers), 3
    images = [image_of(network, subnet, seed) for seed in range(n)]
    cut = random.Random(0).randrange(1, count)
    parts = compile_parts(network, PYNQ, [part_of(network, subnet, 0, cut), part_of(network, subnet, cut, count)],
                          batch=n)
    with PartEngine(GoldenDevice(PYNQ), parts) as engine:
        middle = engine.run_batch(f"{subnet}[0:{cut}]", [{"input": x} for x in images]).tensors
        out = engine.run_batch(f"{subnet}[{cut}:{count}]", middle).tensors
    want = Interpreter(network, subnet).logits(np.stack(images))
    output = network.subnet(subnet).output
    assert all(np.array_equal(t[output].reshape(-1), w) for t, w in zip(out, want, strict=True))


def test_products_cross():
    """Both factors of a product cross a cut before it; such parts compute one image a launch."""
    network, subnet = NETWORKS["products"]
    layers = network.subnet(subnet).layers
    n = next(n for n, x in enumerate(layers) if x.operand)
    assert {layers[n].source, layers[n].operand} <= set(crossing(network, network.subnet(subnet), n))
    with pytest.raises(BatchError, match=r"part candidate\[.*\] has products of two tensors: compile it for one image"):
        compile_parts(network, PYNQ, [part_of(network, subnet, n, n + 1)], batch=2)


def test_boundaries_count_what_crosses():
    network, subnet = NETWORKS["operators"]
    cuts = boundaries(network, network.subnet(subnet))
    assert [c.at for c in cuts] == list(range(21))
    assert [t[0] for t in cuts[0].tensors] == ["input"] and [t[0] for t in cuts[20].tensors] == ["fc"]
    assert max(len(c.tensors) for c in cuts) >= 3          # a gate, its tensor and a residual
    assert cuts[20].nbytes == 10


def test_errors():
    network, subnet = NETWORKS["toy"]
    count = len(network.subnet(subnet).layers)
    for first, end in ((0, 0), (3, 2), (-1, 2), (0, count + 1)):
        with pytest.raises(BadArgument, match=f"has cuts 0 to {count}: a part from {first} to {end} is none"):
            part_of(network, subnet, first, end)
    parts = compile_parts(network, PYNQ, [part_of(network, subnet, 2, 4)])
    with PartEngine(GoldenDevice(PYNQ), parts) as engine:
        name = f"{subnet}[2:4]"
        with pytest.raises(BadArgument, match=r"no part 'x' is compiled: choose one of mid\[2:4\]"):
            engine.run("x", {})
        with pytest.raises(BadArgument, match=r"needs tensor '\w+': it got none"):
            engine.run(name, {})
        t = parts.parts[name].inputs[0][0]
        with pytest.raises(BadArgument, match=r"must be int8 \[\d+, \d+, \d+\], not float64 \[1\]"):
            engine.run(name, {t.name: np.zeros(1)})
        with pytest.raises(BadArgument, match="a launch computes 1 images, not 2"):
            engine.run_batch(name, [{}, {}])
