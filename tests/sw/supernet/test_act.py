"""SubNetAct: an actuated SubNet gives what the same SubNet gives as a model of its own, and nothing is copied."""
import random
import threading

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from nigiri.supernet.act import BadSubNet, BadTags, SubNet, Tags, Uncalibrated, extract, insert  # noqa: E402
from nigiri.supernet.act.examples import RESNET_TAGS, TRANSFORMER_TAGS, ResNet, Transformer  # noqa: E402
from nigiri.supernet.act.measure import measure, random_subnet  # noqa: E402
from nigiri.supernet.act.supernet import chosen  # noqa: E402


def resnet():
    torch.manual_seed(1)
    model = ResNet((32, 48), (3, 2), stem=16, ratio=0.5, classes=7)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.weight, 1, 0.3)
            nn.init.normal_(m.bias, 0, 0.3)
    tags = Tags(stages={name: RESNET_TAGS.stages[name] for name in ("layer1", "layer2")})
    return insert(model, tags, torch.randn(1, 3, 32, 32)), model


def transformer():
    torch.manual_seed(2)
    return insert(Transformer(50, 32, 4, 6), TRANSFORMER_TAGS, torch.randint(0, 50, (1, 9)))


def test_the_whole_supernet_is_the_model():
    torch.manual_seed(1)
    plain = Transformer(50, 32, 4, 6).eval()
    x = torch.randint(0, 50, (3, 9))
    with torch.no_grad():
        before = plain(x)
        net = insert(plain, TRANSFORMER_TAGS, x)
        net.add("all", SubNet())
        net.actuate("all")
        assert torch.allclose(net(x), before, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_convolutional_subnet_equals_its_extract(seed):
    net, _ = resnet()
    net.add("x", random_subnet(net, random.Random(seed)))
    images = [torch.randn(8, 3, 32, 32) for _ in range(3)]
    net.calibrate("x", images)
    alone = extract(net, "x")
    assert sum(p.numel() for p in alone.parameters()) <= sum(p.numel() for p in net.parameters())
    shared = {p.data_ptr() for p in net.parameters()}
    assert not shared & {p.data_ptr() for p in alone.parameters()}
    with torch.no_grad():
        net.actuate("x")
        assert torch.allclose(net(images[0]), alone(images[0]), atol=1e-4)
        # What the statistics are for: the batch, normalised by itself, is close to it.
        assert net(images[0]).std() > 0.05


@pytest.mark.parametrize("seed", range(4))
def test_a_transformer_equals_its_extract(seed):
    net = transformer()
    net.add("x", random_subnet(net, random.Random(seed)))
    alone, x = extract(net, "x"), torch.randint(0, 50, (5, 11))
    with torch.no_grad():
        net.actuate("x")
        assert torch.allclose(net(x), alone(x), atol=1e-5)


def test_actuation_copies_nothing():
    net, model = resnet()
    before = [(p, p.data_ptr()) for p in model.parameters()]
    for n in range(5):
        net.add(n, random_subnet(net, random.Random(n)))
        net.calibrate(n, [torch.randn(4, 3, 32, 32)])
    assert all(p is q and at == q.data_ptr() for (p, at), q in zip(before, model.parameters(), strict=True))
    assert net.memory()["shared"] == 4 * sum(p.numel() for p, _ in before) and net.memory()["statistics"] > 0


def test_statistics_in_half_precision_change_little():
    net, _ = resnet()
    images = [torch.randn(8, 3, 32, 32) for _ in range(3)]
    net.add("x", SubNet())
    results = []
    for kind in (torch.float32, torch.float16):
        net.calibrate("x", images, kind)
        with torch.no_grad():
            results.append(net(images[0]))
    assert net.norms[0].stats["x"][0].dtype == torch.float16
    assert (results[0] - results[1]).abs().max() < 0.01 * results[0].abs().max()


def test_threads_actuate_independently():
    net = transformer()
    for n in range(4):
        net.add(n, random_subnet(net, random.Random(n)))
    x = torch.randint(0, 50, (2, 9))
    wanted, got = {}, {}
    with torch.no_grad():
        for n in range(4):
            net.actuate(n)
            wanted[n] = net(x)
    gate = threading.Barrier(4)

    def serve(n):
        with torch.no_grad():
            net.actuate(n)
            gate.wait()
            got[n] = [net(x) for _ in range(20)]

    threads = [threading.Thread(target=serve, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(torch.equal(y, wanted[n]) for n in range(4) for y in got[n])


def test_blocks_of_a_transformer_are_left_out_evenly():
    assert chosen(6, 3, True) == (0, 2, 4) and chosen(6, 6, True) == (0, 1, 2, 3, 4, 5) and chosen(6, 1, True) == (0,)
    assert chosen(5, 2, False) == (0, 1)


@pytest.mark.parametrize(("tags", "message"), [
    (Tags(stages={}), "no stage is tagged: name at least one nn.Sequential"),
    (Tags(stages={"layer9": ()}), "the model has no module 'layer9': tag one of its nn.Sequential"),
    (Tags(stages={"fc": ()}), "stage fc is no nn.Sequential of blocks: put its blocks into one"),
    (Tags(stages={"layer1": ("bn1",)}), "stage layer1, block 0: bn1 is no convolution, linear layer or attention"),
    (Tags(stages={"stem": ()}), r"stage stem: block 3 changes the shape \[1, 16, 16, 16\] to \[1, 16, 8, 8\]"),
])
def test_tags_that_do_not_fit(tags, message):
    with pytest.raises(BadTags, match=message):
        insert(ResNet((32, 48), (3, 2), stem=16), tags, torch.randn(1, 3, 32, 32))


def test_subnets_that_are_not_there():
    net, _ = resnet()
    with pytest.raises(BadSubNet, match="no SubNet is actuated in this thread: call actuate"):
        net(torch.randn(1, 3, 32, 32))
    with pytest.raises(BadSubNet, match=r"there is no SubNet 'y': add\(\) it first"):
        net.actuate("y")
    for subnet, message in ((SubNet(depths={"layer3": 1}), "there is no stage 'layer3'; choose from layer1, layer2"),
                            (SubNet(depths={"layer1": 4}), "stage layer1 has 1 to 3 blocks, not 4"),
                            (SubNet(widths={"layer2": 0.0}), "the width of stage layer2 is a share above 0 up to 1")):
        with pytest.raises(BadSubNet, match=message):
            net.add("x", subnet)
    net.add("x", SubNet())
    net.actuate("x")
    with pytest.raises(Uncalibrated, match=r"SubNet 'x' has no batch-norm statistics: call calibrate\(\)"):
        net(torch.randn(1, 3, 32, 32))


def test_measurement():
    net, _ = resnet()
    data = measure(net, subnets=6, actuations=50, seed=3, extracted=2, images=2)
    assert data["subnets"] == 6 and data["memory_ratio"] > 0 and data["actuation_us"]["p99"] > 0
    assert data["supernet_bytes"] == data["shared_bytes"] + data["statistics_bytes"]
