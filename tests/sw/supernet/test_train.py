"""Training: settings that cannot work are refused, a stopped run goes on as if it had not stopped."""
import json
import random

import numpy as np
import pytest

from nigiri.supernet.recipe import BadRecipe, Recipe

torch = pytest.importorskip("torch")

from nigiri.supernet.data import GREY, augment, normalise  # noqa: E402
from nigiri.supernet.model import SuperNet  # noqa: E402
from nigiri.supernet.sandwich import Sandwich  # noqa: E402
from nigiri.supernet.space import CIFAR  # noqa: E402
from nigiri.supernet.train import train  # noqa: E402


@pytest.mark.parametrize(("name", "value"), [
    ("epochs", 0), ("batch", 0), ("peak", 0.0), ("warmup", 1.0), ("decay", -1.0), ("randoms", -1), ("students", 0),
    ("students", 129), ("hole", -1), ("plain", 25), ("smooth", 1.0), ("average", 1.0), ("pool", -1),
    ("phases", "all"), ("quantised", 25)])
def test_settings_that_cannot_work(name, value):
    with pytest.raises(BadRecipe, match=f"the training setting {name} cannot be {value!r}: see nigiri.supernet.recipe"):
        Recipe(**{name: value})


def test_learning_rate_and_hole():
    r = Recipe(epochs=10, peak=0.4, warmup=0.25, hole=8, plain=2)
    assert [round(r.learning_rate(p), 3) for p in (0, 0.125, 0.25, 0.625, 1)] == [0, 0.2, 0.4, 0.2, 0]
    assert [r.hole_at(e) for e in (0, 7, 8, 9)] == [8, 8, 0, 0]


def test_graphs_need_a_gpu():
    with pytest.raises(BadRecipe, match="CUDA graphs need a GPU and a pool of random SubNets"):
        Sandwich(SuperNet(CIFAR), Recipe(pool=2), graphs=True)


def test_augmented_images_are_crops_with_a_hole():
    images = torch.arange(64, dtype=torch.uint8).repeat(5, 3, 32, 1)[..., :32].contiguous()
    out = augment(images, torch.Generator().manual_seed(0), hole=8)
    assert out.shape == images.shape and out.dtype == torch.uint8
    grey = (out == GREY).all(1)
    assert ((grey.sum((1, 2)) > 0) & (grey.sum((1, 2)) <= 64)).all()
    assert not (augment(images, torch.Generator().manual_seed(0), hole=0) == GREY).any()


def test_gradients_add_up():
    """What a step leaves in the parameters is the sum over its SubNets, computed here one by one."""
    torch.manual_seed(3)
    net, recipe = SuperNet(CIFAR), Recipe(batch=8, randoms=1, students=2, smooth=0.1, pool=1)
    x, y = normalise(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)), torch.arange(8)
    sandwich = Sandwich(net, recipe)
    shift = random.Random(0).randrange(2)
    sandwich.step(x, y, random.Random(0))
    got = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    rng = random.Random(0)
    config = sandwich.sample(rng)
    net.zero_grad()
    logits = net(x, CIFAR.largest())
    log = logits.log_softmax(1)
    loss = -(0.9 * log[torch.arange(8), y] + 0.1 * log.mean(1)).mean()
    soft = logits.detach().softmax(1)
    for n, c in enumerate((CIFAR.smallest(), config)):
        part = slice((shift + n) % 2, None, 2)
        loss = loss - (soft[part] * net(x[part], c).log_softmax(1)).sum(1).mean()
    loss.backward()
    for a, p in zip(got, net.parameters(), strict=True):
        assert torch.allclose(a, p.grad, rtol=1e-3, atol=1e-5)


def test_a_stopped_run_goes_on(tmp_path):
    rng = np.random.default_rng(5)
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    for split in ("train", "test"):
        images, labels = rng.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, 50)
        for folder in ("whole", "parts"):
            np.savez(tmp_path / folder / f"cifar10_{split}.npz", images=images, labels=labels)
    recipe = Recipe(epochs=2, batch=16, randoms=1, students=2)

    def run(folder, **kw):
        train(tmp_path, tmp_path / folder, recipe, fast=False, threads=1, every=1, **kw)

    run("whole")
    stop = KeyboardInterrupt()

    def interrupted(self, *args, original=SuperNet.forward, calls=[0], **kw):  # noqa: B006
        calls[0] += 1
        if calls[0] == 25:                # in the second epoch
            raise stop
        return original(self, *args, **kw)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SuperNet, "forward", interrupted)
        run("parts")
    run("parts")
    rows = {f: [json.loads(line) for line in (tmp_path / f / "log.jsonl").open()] for f in ("whole", "parts")}
    for a, b in zip(rows["whole"], rows["parts"], strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}
    assert rows["whole"][0]["recipe"]["epochs"] == 2
    with np.load(tmp_path / "whole" / "weights.npz") as a, np.load(tmp_path / "parts" / "weights.npz") as b:
        assert all(np.array_equal(a[k], b[k]) for k in a.files)
