"""From a SuperNet in torch to integers: shared weights, scales, agreement with the float network."""
from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nigiri import bundle  # noqa: E402
from nigiri.compiler.compile import compile_network  # noqa: E402
from nigiri.compiler.constants import collect  # noqa: E402
from nigiri.compiler.interpret import Interpreter  # noqa: E402
from nigiri.model import GoldenDevice  # noqa: E402
from nigiri.quant.errors import QuantisationError  # noqa: E402
from nigiri.quant.export import integer_network, load_net, measure_network, undominated  # noqa: E402
from nigiri.quant.ranges import Scale, choose, input_table, one_sided, two_sided  # noqa: E402
from nigiri.quant.select import Candidate, pick, sample, spread  # noqa: E402
from nigiri.quant.weights import dequantised, quantise_rows, share  # noqa: E402
from nigiri.runtime.engine import Engine  # noqa: E402
from nigiri.spec import get_config  # noqa: E402
from nigiri.spec.layout import ROWS, SLOT_OFFSETS, tap_order  # noqa: E402
from nigiri.supernet.calibrate import running_statistics  # noqa: E402
from nigiri.supernet.data import normalise  # noqa: E402
from nigiri.supernet.model import SuperNet  # noqa: E402
from nigiri.supernet.space import CIFAR, Space, Stage  # noqa: E402

torch.set_num_threads(1)
SMALL = Space(name="small", image=12, channels=3, stem=8, down=16, classes=10, head=40,
              stages=(Stage(width=16, stride=1, depths=(1, 2), expands=(1, 2)),
                      Stage(width=24, stride=2, depths=(1, 2), expands=(2, 3))))


@pytest.fixture(scope="module")
def net():
    """A SuperNet whose batch norm has the spread of a trained one, negative and zero factors included."""
    torch.manual_seed(0)
    net = SuperNet(SMALL).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("gamma"):
                p.copy_((0.6 + 0.8 * torch.rand(p.shape)) * torch.where(torch.rand(p.shape) < 0.2, -1.0, 1.0))
                p[3] = 0.0
            elif name.endswith("beta"):
                p.copy_(torch.randn(p.shape) * 0.3)
    return net


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (160, 4, 4, 3)).astype(np.uint8)
    return coarse.repeat(3, 1).repeat(3, 2)


def pixels(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def configs():
    rng = random.Random(2)
    return {"min": SMALL.smallest(), "a": SMALL.sample(rng), "b": SMALL.sample(rng), "max": SMALL.largest()}


@pytest.fixture(scope="module")
def network(net, images, configs):
    return integer_network(net, configs, pixels(images), range_images=100)


def words_of(module_weight, gamma, stride, depthwise):
    """The weight words of a layer, written byte by byte from the definition, without the packer."""
    w = module_weight.detach().double().numpy()
    cout, cin, k, _ = w.shape
    r = k // 2
    out = []
    for ob in range(-(-cout // 8)):
        for ib in range(1 if depthwise else -(-cin // 8)):
            for tap in [(dy, None) for dy in ROWS[:k]] if depthwise else tap_order(k):
                word = bytearray(64)
                for o, i in np.ndindex(8, 8):
                    row = 8 * ob + o
                    dy, dx = tap[0], (SLOT_OFFSETS[stride][i] if i < 7 else 99) if depthwise else tap[1]
                    column = 0 if depthwise else 8 * ib + i
                    if row < cout and column < cin and abs(dx) <= r:
                        code = np.rint(w[row, column, dy + r, dx + r] / (np.abs(w[row]).max() / 127))
                        word[8 * o + i] = int(-code if gamma is not None and gamma[row] < 0 else code) & 0xFF
                out.append(bytes(word))
    return b"".join(out)


def test_weight_image_is_the_network(net, network):
    """An independent packing of the torch weights gives the same bytes."""
    want = [words_of(net.stem.weight, net.stem.gamma, 1, False), words_of(net.down.weight, net.down.gamma, 2, False)]
    for b, m in zip(SMALL.blocks, net.blocks, strict=True):
        want += [words_of(m["expand"].weight, m["expand"].gamma, 1, False),
                 words_of(m["dw"].weight, m["dw"].gamma, b.stride, True),
                 words_of(m["project"].weight, m["project"].gamma, 1, False)]
    want += [words_of(net.head.weight, net.head.gamma, 1, False),
             words_of(net.fc.weight[:, :, None, None], None, 1, False)]
    assert network.weights.tobytes() == b"".join(want)


def test_one_image_for_any_subnets(net, network, images):
    """The weights do not depend on which SubNets are exported, nor on the images."""
    other = integer_network(net, {"x": SMALL.smallest()}, pixels(images[:40]), range_images=40)
    assert other.weights.tobytes() == network.weights.tobytes() and other.layers == network.layers


def test_codes_stay_in_127(network):
    codes = network.weights.view(np.int8)
    assert codes.min() >= -127 and codes.max() == 127


def test_rows():
    codes, scales = quantise_rows(np.array([[0.0, 0.0], [1.0, -2.0], [0.004, -0.003]]))
    assert codes.tolist() == [[0, 0], [64, -127], [127, -95]] and scales[0] == 1.0


def test_dequantised_is_near(net):
    twin = dequantised(net, share(net))
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        if a.ndim > 1:
            top = a.detach().abs().reshape(len(a), -1).max(1).values
            assert ((a - b).detach().abs().reshape(len(a), -1).max(1).values <= top / 127 * 0.501).all()


def test_sign_of_gamma_is_folded(net, images, configs):
    """Negating gamma and weights of a channel together is the same function, so it gives the same bytes everywhere."""
    import copy
    twin = copy.deepcopy(net)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for m in [twin.stem, twin.down, twin.head, *(part for b in twin.blocks for part in b.values())]:
            flip = torch.where(torch.rand(m.gamma.shape, generator=generator) < 0.3, -1.0, 1.0)
            flip[m.gamma == 0] = 1.0
            m.gamma.mul_(flip)
            m.weight.mul_(flip.view(-1, 1, 1, 1))
    a, b = (integer_network(n, configs, pixels(images[:64]), range_images=64) for n in (net, twin))
    assert a.weights.tobytes() == b.weights.tobytes()
    assert collect(a).words.tobytes() == collect(b).words.tobytes()


@pytest.mark.parametrize("subnet", ["min", "a", "b", "max"])
def test_integer_network_follows_the_float_network(net, network, images, configs, subnet):
    stats = running_statistics(net, configs[subnet], pixels(images))
    with torch.no_grad():
        real = net(normalise(pixels(images)), configs[subnet], stats).numpy()
    codes = Interpreter(network, subnet).logits(images).astype(float)
    step = np.polyfit(codes.reshape(-1), real.reshape(-1), 1)
    error = np.polyval(step, codes) - real
    assert error.std() < 0.1 * real.std()
    assert (codes.argmax(1) == real.argmax(1)).mean() > 0.85


def test_integer_network_on_the_device(network, images):
    config = replace(get_config("pynq_z2"), name="x")
    with Engine(GoldenDevice(config), compile_network(network, config)) as engine:
        for subnet in ("min", "max"):
            tensors = Interpreter(network, subnet).tensors(images[:1])
            for t in engine.dump(subnet, images[0]):
                assert (t.data == tensors[t.name][0].transpose(2, 0, 1)).all(), t.name


def test_accuracies_are_measured(net, network, images, configs, capsys):
    labels = Interpreter(network, "max").logits(images).argmax(1)
    measured = measure_network(net, network, configs, pixels(images), images, labels)
    info = measured.subnet("max").info
    assert info.accuracy_int8 == 100.0 and 80 < info.accuracy_float <= 100
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_scales():
    assert one_sided(255.0) == Scale(1.0, -128)
    s = two_sided(-1.0, 3.0)
    assert s.encode(np.array([0.0, -1.0, 3.0, 9.0])).tolist() == [s.zp, -128, 127, 127] and s.zp == -64
    assert two_sided(0.5, 1.0) == Scale(1 / 255, -128)
    values = np.random.default_rng(0).laplace(size=50_000)
    full, best = two_sided(values.min(), values.max()), choose(values, relu=False)
    assert best.step < 0.95 * full.step and best.error(values) < full.error(values)


def test_input_table():
    scale, table = input_table()
    assert table.shape == (3, 256) and table.min() == -128 and table.max() == 127
    assert abs((float(table[0, 125]) - scale.zp) * scale.step) < 0.02
    assert (np.diff(table.astype(int), axis=1) >= 0).all()


def test_spread_is_balanced():
    labels = torch.arange(1000) % 10
    picks = spread(labels, 512, 7)
    counts = torch.bincount(labels[picks], minlength=10).tolist()
    assert counts == [52, 52] + [51] * 8 and len(set(picks.tolist())) == 512
    assert spread(labels, 512, 7).tolist() == picks.tolist() != spread(labels, 512, 8).tolist()


def test_pick_takes_the_ends_and_the_best_of_each_step():
    configs = sample(CIFAR, 30, 1)
    assert len(set(configs)) == 30 and configs == sample(CIFAR, 30, 1)
    rng = random.Random(0)
    candidates = [Candidate(c, CIFAR.cost(c)[0], rng.uniform(50, 90)) for c in configs]
    chosen = pick(CIFAR, candidates, 9)
    costs = [CIFAR.cost(c)[0] for c in chosen]
    assert chosen[0] == CIFAR.smallest() and chosen[-1] == CIFAR.largest() and len(set(chosen)) == 9
    assert costs == sorted(costs)
    best = max(candidates, key=lambda c: c.accuracy)
    assert best.config in chosen


def test_pick_needs_candidates():
    with pytest.raises(QuantisationError, match=r"^9 SubNets need at least 7 candidates and at least 2 SubNets, not 0 "
                       r"candidates: "
                       r"raise --candidates$"):
        pick(CIFAR, [], 9)


def test_checkpoint_of_something_else(tmp_path):
    torch.save({"mean": {"module.x": torch.zeros(1)}}, tmp_path / "c.pt")
    with pytest.raises(QuantisationError, match=r"^.*c\.pt is not a checkpoint of the nigiri-cifar SuperNet "
                       r"\(RuntimeError: .*\): "
                       r"train one with nigiri\.supernet\.train$"):
        load_net(tmp_path / "c.pt")
    with pytest.raises(QuantisationError, match=r"^.*none is not a checkpoint of the nigiri-cifar SuperNet "
                       r"\(FileNotFoundError: .*\)"):
        load_net(tmp_path / "none")


def test_dominated_subnets_are_dropped():
    accuracies = {"min": 80.0, "s1": 82.0, "s2": 81.5, "s3": 82.0, "s4": 83.0, "s5": 86.0, "max": 85.0}
    template = bundle.load(bundle.demo_path()).network
    subnets = tuple(replace(template.subnets[0], info=replace(template.subnets[0].info, name=name, accuracy_int8=value))
                    for name, value in accuracies.items())
    kept = undominated(replace(template, subnets=subnets)).subnets
    assert [(s.info.name, s.info.accuracy_int8) for s in kept] == [("min", 80.0), ("s1", 82.0), ("s2", 83.0),
                                                                   ("max", 85.0)]
