"""The torch SuperNet and its integer networks."""
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hybrid_small import SPACE, config  # noqa: E402

from nigiri.hybrid.blank import blank  # noqa: E402
from nigiri.hybrid.host import Softmax  # noqa: E402
from nigiri.hybrid.integer import hybrid_network  # noqa: E402
from nigiri.hybrid.model import HybridNet, attend  # noqa: E402
from nigiri.hybrid.run import Golden  # noqa: E402
from nigiri.hybrid.space import HYBRID  # noqa: E402
from nigiri.hybrid.train import phases_of, samples  # noqa: E402
from nigiri.supernet.calibrate import running_statistics  # noqa: E402
from nigiri.supernet.data import normalise  # noqa: E402
from nigiri.supernet.recipe import BadRecipe  # noqa: E402
from nigiri.supernet.weights import load_weights  # noqa: E402

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = HybridNet(SPACE).eval()
    for p in net.parameters():                    # branches that begin at zero would hide what they do
        if p.ndim == 1:
            torch.nn.init.uniform_(p, 0.5, 1.5)
    return net


def images(count, side):
    smooth = np.random.default_rng(1).integers(0, 256, (count, 3, 4, 4), dtype=np.uint8)
    return torch.from_numpy(smooth.repeat(side // 4, 2).repeat(side // 4, 3).copy())


@pytest.mark.parametrize("norm", ["relu", "softmax"])
def test_integer_network_follows_the_float_one(net, norm):
    c = config(norm)
    x = images(128, 16)
    network, subnets = hybrid_network(net, {"a": c}, x)
    network.check()
    got = Golden(network, subnets["a"].parts).logits(x.permute(0, 2, 3, 1).numpy()).astype(float)
    with torch.no_grad():
        want = net(normalise(x), c, running_statistics(net, c, x)).numpy()
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.97
    assert (got.argmax(1) == want.argmax(1)).mean() > 0.8


def test_blank_is_like_the_real_one(net):
    rng = random.Random(4)
    for _ in range(6):
        c = SPACE.canonical(SPACE.sample(rng))
        network, subnets = hybrid_network(net, {"candidate": c}, images(16, 16))
        other, steps, _ = blank(SPACE, c)
        assert [(s.name, s.cin, s.cout, s.kernel, s.stride, s.offset) for s in network.layers] == \
            [(s.name, s.cin, s.cout, s.kernel, s.stride, s.offset) for s in other.layers]

        def shape(x):
            if isinstance(x, Softmax):
                return x.name, x.sources, x.results
            return (x.name, x.weights, x.cin, x.cout, x.kernel, x.height, x.source, x.operand,
                    x.residual.source if x.residual else None)

        assert [shape(x) for x in steps] == [shape(x) for x in subnets["candidate"].steps]


def test_attention_weights():
    scores = torch.randn(2, 4, 4)
    assert torch.allclose(attend(scores, "softmax").sum(-1), torch.ones(2, 4))
    assert torch.equal(attend(scores, "relu"), scores.clamp_min(0) / 4)


def test_fewer_heads_are_a_prefix(net):
    few, many = (dict((name, module) for name, module, *_ in net.layers(config(heads=h)))
                 for h in ((1, 1, 1, 1), (1, 2, 1, 2)))
    assert set(few) < set(many)
    assert all(many[name] is module for name, module in few.items())


def test_phases():
    one, two = phases_of("two-phase", 10, 0.4)
    assert (one.first, one.last, two.first, two.last) == (0, 4, 4, 10)
    assert one.space.convolution_only and not two.space.convolution_only
    assert [(p.first, p.last) for p in phases_of("joint", 10, 0.4)] == [(0, 10)]
    with pytest.raises(BadRecipe, match="unknown training scheme 'both': choose one of joint, two-phase"):
        phases_of("both", 10, 0.4)
    assert len(set(samples(7, 5, 5).values())) == 13


def test_shipped_weights_belong_to_the_space():
    load_weights(HybridNet(HYBRID), ROOT / "checkpoints" / "hybrid.npz")
