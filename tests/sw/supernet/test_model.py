"""The torch SuperNet: slices, statistics, weights on disk, and the CPU training kernels."""
from __future__ import annotations

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nigiri.supernet.average import average  # noqa: E402
from nigiri.supernet.calibrate import evaluate, running_statistics  # noqa: E402
from nigiri.supernet.data import augment, normalise  # noqa: E402
from nigiri.supernet.model import ElasticConv, SuperNet  # noqa: E402
from nigiri.supernet.space import CIFAR  # noqa: E402
from nigiri.supernet.weights import load_weights, save_weights  # noqa: E402


@pytest.fixture
def net():
    torch.manual_seed(1)
    return SuperNet(CIFAR)


def images(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def test_parameters_are_the_weights_of_the_largest(net):
    convolutions = sum(p.numel() for n, p in net.named_parameters() if p.ndim > 1)
    assert convolutions == CIFAR.cost(CIFAR.largest())[1]


def test_a_subnet_is_a_slice(net):
    for _, module, cout, kernel in net.layers(CIFAR.smallest()):
        cin = module.weight.shape[1]
        part = module.slice(cin, cout, kernel)
        assert part.data_ptr() >= module.weight.data_ptr()
        edge = (module.kernel - kernel) // 2
        assert torch.equal(part, module.weight[:cout, :cin, edge:edge + kernel, edge:edge + kernel])


def test_batch_statistics_reproduce_the_batch(net):
    rng = random.Random(3)
    x = images(64)
    for config in (CIFAR.smallest(), CIFAR.sample(rng), CIFAR.largest()):
        stats = running_statistics(net, config, x, batch=64)
        with torch.no_grad():
            assert torch.allclose(net(normalise(x), config, stats), net(normalise(x), config), atol=1e-3)
        labels = net(normalise(x), config, stats).argmax(1)
        assert evaluate(net, config, stats, x, labels) == 100.0


def test_augmentation_is_seeded_and_keeps_shape():
    a, b = (augment(images(8), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b) and a.shape == (8, 3, 32, 32) and a.dtype == torch.uint8


def test_weights_round_trip(net, tmp_path):
    save_weights(net, tmp_path / "w.npz")
    other = SuperNet(CIFAR)
    load_weights(other, tmp_path / "w.npz")
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=2e-3)


def test_foreign_weights_are_refused(net, tmp_path):
    np.savez(tmp_path / "odd.npz", nothing=np.zeros(3))
    with pytest.raises(ValueError, match=r"odd\.npz is not of this SuperNet"):
        load_weights(net, tmp_path / "odd.npz")
    shapes = {n: np.zeros(1, np.float16) for n, _ in net.named_parameters()}
    np.savez(tmp_path / "small.npz", **shapes)
    with pytest.raises(ValueError, match=r"small\.npz: .* has shape \(1,\), not"):
        load_weights(net, tmp_path / "small.npz")


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_fast_kernels_equal_torch(kernel, stride):
    pytest.importorskip("ninja")
    torch.manual_seed(kernel + stride)
    conv = ElasticConv(24, 24, kernel, stride, depthwise=True)
    torch.nn.init.normal_(conv.gamma)
    x = torch.randn(4, 24, 9, 9).contiguous(memory_format=torch.channels_last)
    results = []
    for fast in (False, True):
        conv.fast = fast
        conv.zero_grad()
        y = x.clone().requires_grad_()
        out = conv(y, 24, kernel)
        (out * torch.arange(out.numel()).view_as(out).sin()).sum().backward()
        results.append([out, y.grad, conv.weight.grad.clone(), conv.gamma.grad.clone(), conv.beta.grad.clone()])
    for plain, quick in zip(*results, strict=True):
        assert torch.allclose(plain, quick, rtol=1e-3, atol=1e-3)


def test_mean_of_weights(tmp_path):
    nets = []
    for seed in range(3):
        torch.manual_seed(seed)
        nets.append(SuperNet(CIFAR))
        save_weights(nets[-1], tmp_path / f"{seed}.npz")
    average([tmp_path / f"{seed}.npz" for seed in range(3)], tmp_path / "mean.npz")
    mean = SuperNet(CIFAR)
    load_weights(mean, tmp_path / "mean.npz")
    for p, *of in zip(mean.parameters(), *(n.parameters() for n in nets), strict=True):
        assert torch.allclose(p, sum(of) / 3, atol=3e-3)
    with pytest.raises(ValueError, match="there are no weights to average: name at least one"):
        average([], tmp_path / "none.npz")
