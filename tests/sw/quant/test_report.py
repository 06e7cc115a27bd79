"""Errors layer by layer, and the ways to choose ranges."""
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nigiri.quant.errors import QuantisationError  # noqa: E402
from nigiri.quant.ranges import METHODS, choose  # noqa: E402
from nigiri.quant.report import accuracies, decibel, layer_errors, plot  # noqa: E402
from nigiri.supernet.model import SuperNet  # noqa: E402
from nigiri.supernet.space import Space, Stage  # noqa: E402

torch.set_num_threads(1)
SMALL = Space(name="small", image=12, channels=3, stem=8, down=16, classes=10, head=40,
              stages=(Stage(width=16, stride=1, depths=(1, 2), expands=(1, 2)),
                      Stage(width=24, stride=2, depths=(1, 2), expands=(2, 3))))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = SuperNet(SMALL).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("gamma"):
                p.copy_(0.6 + 0.8 * torch.rand(p.shape))
    return net


@pytest.fixture(scope="module")
def images():
    coarse = np.random.default_rng(0).integers(0, 256, (60, 3, 4, 4)).astype(np.uint8)
    return torch.from_numpy(coarse.repeat(3, 2).repeat(3, 3))


def test_ways_to_choose_a_range():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 20_000), [30.0, -25.0]])
    wide, cut, best = (choose(values, False, m) for m in METHODS)
    assert wide.step == pytest.approx(55 / 255) and cut.step < wide.step and cut.step < 8 / 255
    assert best.error(values) <= min(wide.error(values), cut.error(values) + 1)
    assert choose(np.abs(values), True, "minmax").zp == -128
    with pytest.raises(QuantisationError, match="unknown calibration 'best': choose one of minmax, percentile, mse"):
        choose(values, False, "best")


def test_decibel():
    assert decibel(np.full(10, 2.0), np.full(10, 0.2)) == pytest.approx(20) and decibel(np.ones(3), np.zeros(3)) == 200


@pytest.mark.parametrize("which", ["smallest", "largest"])
def test_errors_of_layers(net, images, which, tmp_path):
    rows = layer_errors(net, getattr(SMALL, which)(), images, images[:30])
    names = [name for name, *_ in net.layers(getattr(SMALL, which)())]
    assert [r["layer"] for r in rows] == [*names, "head.pool", "fc"]
    # 8 bits are worth some 40 dB; errors that add up are worse than each alone.
    assert all(25 < r["activation"] < 80 and 25 < r["weights"] for r in rows)
    assert all(r["all"] < min(r["activation"], r["weights"]) + 1 for r in rows[1:])
    assert all(r["all"] > 15 for r in rows)
    plot(rows, "small", tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 5000


def test_accuracy_by_method(net, images):
    with torch.no_grad():
        labels = torch.randint(0, 10, (60,), generator=torch.Generator().manual_seed(2))
    found = accuracies(net, SMALL.smallest(), images, images, labels)
    assert list(found) == ["float", *METHODS] and all(0 <= v <= 100 for v in found.values())
