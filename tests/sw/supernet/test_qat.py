"""Rounding in training: the same codes as the export, gradients as if nothing was rounded."""
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nigiri.quant.ranges import two_sided  # noqa: E402
from nigiri.quant.weights import quantise_rows  # noqa: E402
from nigiri.supernet.model import ElasticConv, SuperNet  # noqa: E402
from nigiri.supernet.qat import rounded_activation, rounded_rows  # noqa: E402
from nigiri.supernet.space import CIFAR  # noqa: E402


def test_weights_are_those_of_the_integer_network():
    torch.manual_seed(1)
    w = torch.randn(6, 5, 3, 3, requires_grad=True)
    with torch.no_grad():
        w[2] = 0
    out = rounded_rows(w)
    codes, scales = quantise_rows(w.detach().numpy())
    assert np.allclose(out.detach().numpy(), codes * scales.reshape(-1, 1, 1, 1), atol=1e-6)
    out.sum().backward()
    assert torch.equal(w.grad, torch.ones_like(w))


@pytest.mark.parametrize("relu", [False, True])
def test_activations_fall_on_256_steps(relu):
    torch.manual_seed(2)
    x = torch.randn(4, 3, 8, 8)
    x = (x.relu() if relu else x).requires_grad_()
    out = rounded_activation(x, relu=relu)
    real = x.detach().double().numpy()
    scale = two_sided(float(real.min()), float(real.max()))
    step = float(real.max()) / 255 if relu else scale.step
    assert len(out.detach().unique()) <= 256
    # Zero falls on a step, so that the ends of the range may lie half a step outside it.
    assert np.abs(out.detach().numpy() - real).max() <= step * (0.51 if relu else 1.01)
    assert (out.detach()[x.detach() == 0] == 0).all()
    out.sum().backward()
    assert x.grad.mean() > 0.95 and set(x.grad.unique().tolist()) <= {0.0, 1.0}


def test_every_slice_gets_gradients_in_a_rounded_pass():
    torch.manual_seed(3)
    net = SuperNet(CIFAR)
    for m in net.modules():
        if isinstance(m, ElasticConv):
            m.quantised = True
            torch.nn.init.ones_(m.gamma)
    x = torch.randn(4, 3, 32, 32)
    net(x, CIFAR.largest()).logsumexp(1).sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for n, p in net.named_parameters())


def test_a_rounded_pass_learns():
    torch.manual_seed(4)
    net = SuperNet(CIFAR)
    for m in net.modules():
        if isinstance(m, ElasticConv):
            m.quantised = True
    x, y = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(6):
        opt.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x, CIFAR.smallest()), y)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0], losses
