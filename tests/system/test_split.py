"""Split inference on the RTL: a SubNet cut at every layer boundary, against the whole in golden arithmetic."""
import numpy as np
import pytest

from nigiri import bundle
from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.toy_image import toy_image_network
from nigiri.spec import get_config
from nigiri.split.engine import PartEngine
from nigiri.split.part import compile_parts, part_of

PYNQ = get_config("pynq_z2")


def check_cuts(device, network, name, batch=1):
    """Every cut of a SubNet: what crosses, and what comes out."""
    subnet = network.subnet(name)
    count = len(subnet.layers)
    whole = f"{name}[0:{count}]"
    parts = [part_of(network, name, 0, count)]
    parts += [p for n in range(1, count) for p in (part_of(network, name, 0, n), part_of(network, name, n, count))]
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (batch, *network.image_side(subnet), network.channels), dtype=np.uint8)
    want = Interpreter(network, name).tensors(images)
    with PartEngine(device, compile_parts(network, PYNQ, parts, batch=batch)) as engine:
        first = [{"input": image} for image in images]
        for n in range(1, count + 1):
            middle = engine.run_batch(f"{name}[0:{n}]" if n < count else whole, first).tensors
            for b, tensors in enumerate(middle):
                for tensor, value in tensors.items():
                    if value.dtype == np.int8:
                        assert np.array_equal(value, want[tensor][b].transpose(2, 0, 1)), (n, tensor)
            if n == count:
                break
            for b, tensors in enumerate(engine.run_batch(f"{name}[{n}:{count}]", middle).tensors):
                assert np.array_equal(tensors[subnet.output], want[subnet.output][b].transpose(2, 0, 1)), n
    return count


@pytest.mark.parametrize("name", ["small", "large"])
def test_every_cut_of_every_operator(rtl, name):
    """Gates, pools, residuals, polyphase tensors and odd sides cross."""
    assert check_cuts(rtl("pynq_z2", "ddr3_z2"), toy_image_network(3), name) == 20


def test_every_cut_of_the_shipped_subnets(rtl, shipped):
    device = rtl("pynq_z2", "ddr3_z2")
    assert [check_cuts(device, shipped, name) for name in ("min", "max")] == [13, 28]


def test_launches_of_several_images(rtl):
    check_cuts(rtl("pynq_z2", "ddr3_z2"), toy_image_network(4), "small", batch=3)


@pytest.fixture(scope="module")
def shipped():
    from importlib.resources import files

    return bundle.load(str(files("nigiri") / "data" / "demo.nigiri")).network
