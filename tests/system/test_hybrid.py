"""SubNets with attention on the RTL, every tensor against the golden arithmetic: random ones, and the trained one."""
import sys
from pathlib import Path

import numpy as np
import pytest

from nigiri.compiler import compile_network
from nigiri.compiler.graph import SubNet
from nigiri.cycles import predict
from nigiri.hybrid.run import Golden, on_device
from nigiri.runtime.engine import Engine
from nigiri.spec import get_config, get_memory
from nigiri.split.engine import PartEngine
from nigiri.split.part import compile_parts

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/sw/hybrid"))
from hybrid_small import config, random_network  # noqa: E402

PYNQ = get_config("pynq_z2")


def agrees(value, want):
    return np.array_equal(value, want.transpose(2, 0, 1))


@pytest.mark.parametrize(("memory", "stalls"), [("ddr3_z2", 0.0), ("slow", 0.0), ("ideal", 0.3)])
def test_every_tensor_of_random_attention(rtl, memory, stalls):
    """Operands go through memory: a slow one and random stalls must change nothing."""
    network, parts = random_network(config(), seed=7)
    with Engine(rtl("pynq_z2", memory, stalls), compile_network(network, PYNQ)) as engine:
        image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        want = Golden(network, parts).tensors(image[None])
        for t in engine.dump("candidate", image):
            assert agrees(t.data, want[t.tensor][0]), t.name


def test_softmax_between_two_programs(rtl):
    network, parts = random_network(config("softmax"), seed=8)
    with PartEngine(rtl("pynq_z2", "ddr3_z2"), compile_parts(network, PYNQ, network.subnets)) as engine:
        image = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        run, want = on_device(engine, parts, image), Golden(network, parts).tensors(image[None])
        assert run.launches == 3
        for name, value in run.tensors.items():
            assert value.dtype == np.uint8 or agrees(value, want[name][0]), name


def test_trained_hybrid(rtl):
    """The largest SubNet of the trained SuperNet: every tensor, and the cycle model within 1 %."""
    torch = pytest.importorskip("torch")
    from nigiri.hybrid.integer import hybrid_network
    from nigiri.hybrid.model import HybridNet
    from nigiri.hybrid.space import HYBRID
    from nigiri.supernet.weights import load_weights

    net = HybridNet(HYBRID).eval()
    load_weights(net, ROOT / "checkpoints/hybrid.npz")
    with np.load(ROOT / "sw/nigiri/data/cifar512.npz") as shipped:
        images, labels = shipped["images"], shipped["labels"]
    calibration = torch.from_numpy(np.ascontiguousarray(images[256:].transpose(0, 3, 1, 2)))
    network, subnets = hybrid_network(net, {"largest": HYBRID.largest()}, calibration, range_images=64)
    golden = Golden(network, subnets["largest"].parts)
    assert golden.accuracy(images[:100], labels[:100]) > 75
    compiled = compile_network(network, PYNQ)
    assert any(p.operands for p in network.subnets if isinstance(p, SubNet))
    with Engine(rtl("pynq_z2", "ddr3_z2"), compiled) as engine:
        want = golden.tensors(images[:1])
        seen = [t.name for t in engine.dump("largest", images[0]) if agrees(t.data, want[t.tensor][0])]
        assert len(seen) == len(compiled.dumps["largest"]) > 70
        cycles = engine.infer("largest", images[0]).counters.cycles
    model = predict(compiled.descriptors("largest"), PYNQ, get_memory("ddr3_z2"), offset=compiled.program("largest")[0])
    assert model.cycles == pytest.approx(cycles, rel=0.01)
