"""Configurations, passes, statistics and slices of the elastic networks, without the package `ofa`."""
import random
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from nigiri.supernet.ofa import (  # noqa: E402
    BadChoice,
    BadImages,
    BadStatistics,
    MobileConfig,
    UnknownSuperNet,
    from_choice,
    from_ofa,
    names,
    ofa_net,
    to_ofa,
)
from nigiri.supernet.ofa.config import mobile_space, resnet_space  # noqa: E402
from nigiri.zoo.mobilenet import MobileNetV3  # noqa: E402
from nigiri.zoo.resnet import ResNet50  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
R50, V3, PROXYLESS = "ofa_resnet50", "ofa_mbv3_d234_e346_k357_w1.0", "ofa_proxyless_d234_e346_k357_w1.3"
RESNET, MOBILE = resnet_space(R50), mobile_space(V3)


@pytest.fixture(scope="module")
def net():
    return ofa_net(V3, 1)


@pytest.fixture(scope="module")
def image():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def refused(call) -> str:
    with pytest.raises(BadChoice) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(("change", "message"), [
    ({"depth": (1, 0, 0, 0, 0)}, "depth[0] of ofa_resnet50 is 1: allowed are 0, 2"),
    ({"depth": (0, 0, 3, 0, 0)}, "depth[2] of ofa_resnet50 is 3: allowed are 0, 1, 2"),
    ({"depth": (0, 0, True, 0, 0)}, "depth[2] of ofa_resnet50 is True: allowed are 0, 1, 2"),
    ({"depth": (0, 0)}, "depth of ofa_resnet50 has 2 entries: a tuple with one entry for each of the 5 depths "
                        "(stem and four stages) is needed"),
    ({"depth": [0] * 5}, "depth of ofa_resnet50 is [0, 0, 0, 0, 0]: a tuple with one entry for each of the 5 depths "
                         "(stem and four stages) is needed"),
    ({"width": (0, 0, 0, 0, 0, -1)}, "width[5] of ofa_resnet50 is -1: allowed are 0, 1, 2"),
    ({"width": ("0",) * 6}, "width[0] of ofa_resnet50 is '0': allowed are 0, 1, 2"),
    ({"expand": (0.2,) * 17 + (0.3,)}, "expand[17] of ofa_resnet50 is 0.3: allowed are 0.2, 0.25, 0.35"),
    ({"expand": (0.2, 0) + (0.2,) * 16}, "expand[1] of ofa_resnet50 is 0: allowed are 0.2, 0.25, 0.35"),
])
def test_what_a_configuration_may_not_be(change, message):
    assert refused(lambda: RESNET.check(replace(RESNET.smallest(), **change))) == message


def test_other_refusals():
    assert refused(lambda: RESNET.check(MOBILE.smallest())) == "ofa_resnet50 takes a ResNetConfig, not MobileConfig"
    assert refused(lambda: MOBILE.uniform(kernel=4)) == f"kernel[0] of {V3} is 4: allowed are 3, 5, 7"
    assert refused(lambda: MOBILE.uniform(width=1)) == (
        f"{V3} has no field 'width': its fields are depth, expand, kernel")
    assert refused(lambda: from_ofa(MOBILE, {"ks": 3, "e": 3})) == (
        f"an official configuration of {V3} has the keys d, e, ks: 'd' is missing")
    assert refused(lambda: from_ofa(RESNET, {"d": 0, "e": 0.2, "w": 0, "ks": 3})) == (
        "an official configuration of ofa_resnet50 has the keys d, e, w: 'ks' is not one of them")
    with pytest.raises(UnknownSuperNet, match=r"^there is no SuperNet 'x': choose one of ofa_resnet50, "):
        ofa_net("x")


def test_entries_of_skipped_blocks_do_not_matter():
    a = RESNET.uniform(depth=0, expand=[0.2, 0.2, 0, 0] + [0.25] * 14)
    b = RESNET.uniform(depth=0, expand=[0.2, 0.2, 0.35, 0.2] + [0.25] * 14)
    assert RESNET.canonical(a) == RESNET.canonical(b) and RESNET.check(RESNET.canonical(a))
    assert RESNET.canonical(a).expand == (0.2, 0.2, 0, 0, 0.25, 0.25, 0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0, 0.25, 0.25, 0,
                                          0)


@pytest.mark.parametrize("space", [RESNET, MOBILE, mobile_space(PROXYLESS, last=1)], ids=lambda s: s.name)
def test_official_spelling_and_back(space):
    rng = random.Random(4)
    for _ in range(20):
        config = space.sample(rng)
        assert from_ofa(space, to_ofa(space, config)) == config
        official = to_ofa(space, space.canonical(config))       # no zeros: the package does not know them
        assert space.canonical(from_ofa(space, official)) == space.canonical(config)


def test_choices_of_the_zoo_are_configurations():
    for choice in ResNet50.choices.values():
        assert from_choice(RESNET, choice).expand == choice.expand
    for choice in MobileNetV3("ofa_mbv3_w10", 1.0, 128).choices.values():
        assert from_choice(MOBILE, choice) == MobileConfig(depth=choice.depth, expand=choice.expand,
                                                           kernel=choice.kernel)


def test_weights_of_the_zoo_and_of_the_torch_networks_agree():
    """Two independent descriptions of the same SubNets: steps of the compiler's zoo, slices of a torch pass."""
    for family, name in ((ResNet50(), R50), (MobileNetV3("ofa_mbv3_w10", 1.0, 128), V3)):
        layers = {s.name: s for s in family.layers()}
        with torch.device("meta"):
            net = ofa_net(name)
        for choice in family.choices.values():
            steps = [s for s in family.steps(choice) if not layers[s.weights or s.name].shared]
            taps = [9 * 3 if s.name in ("stem", "stem0") else s.kernel ** 2 * (
                1 if layers[s.name].depthwise else s.cin) for s in steps]
            want = sum(t * s.cout for t, s in zip(taps, steps, strict=True) if s.name != "fc")
            got = sum(t.numel() for k, t in net.tensors(from_choice(net.space, choice)).items() if t.dim() == 4)
            assert got == want, choice


def test_images_of_another_shape_are_refused(net, image):
    for x, got in ((image[0], "float32 [3, 32, 32]"), (image[:, :1], "float32 [2, 1, 32, 32]"),
                   (image.to(torch.uint8), "uint8 [2, 3, 32, 32]"), (image[:0], "float32 [0, 3, 32, 32]")):
        with pytest.raises(BadImages) as caught:
            net(x, net.space.smallest())
        assert str(caught.value) == f"{V3} takes float images of shape [N, 3, H, W], not {got}"


def test_statistics_belong_to_one_subnet(net, image):
    small, large = net.space.smallest(), net.space.largest()
    stats = net.recalibrate(small, image)
    assert all(m.shape == v.shape and bool((v >= 0).all()) for m, v in stats.values())
    with torch.no_grad():
        assert not torch.equal(net(image, small), net(image, small, stats))
    deeper = net.space.uniform(depth=3, expand=3, kernel=3)
    with pytest.raises(BadStatistics) as caught:
        net(image, deeper, stats)
    assert str(caught.value) == ("the statistics lack blocks.3.conv.inverted_bottleneck.bn.bn: compute them for this "
                                 "SubNet with recalibrate")
    with pytest.raises(BadStatistics) as caught:
        net(image, large, stats)
    assert str(caught.value) == ("the statistics of blocks.1.conv.inverted_bottleneck.bn.bn have shape [48], not [96]: "
                                 "compute them for this SubNet with recalibrate")


def test_calibrated_statistics_are_those_of_training_mode(image):
    """With one batch, normalising with the statistics is normalising with the batch; dropout is off.  In double
    precision, as channels that hardly vary amplify rounding errors."""
    net, image = ofa_net(V3, 1).double(), image.double()
    config = net.space.sample(random.Random(6))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    stats = net.recalibrate(config, image)
    with torch.no_grad():
        want = net(image, config, stats)
        net.train()
        net.classifier.dropout = 0.0
        got = net(image, config)
    torch.testing.assert_close(got, want, atol=1e-9, rtol=0)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("name", names())
def test_all_tensors_get_gradients(name):
    """The largest SubNet trains every tensor; a smaller kernel also trains the matrices that lead to it."""
    net = ofa_net(name, 3).train()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    net(x, net.space.largest()).square().mean().backward()
    if "kernel" in net.space.axes:
        net(x, net.space.uniform(kernel=3)).square().mean().backward()
    assert [k for k, p in net.named_parameters() if p.grad is None] == []


def test_tensors_are_views_of_the_supernet(net):
    config = net.space.uniform(expand=3)
    cut, state = net.tensors(config), net.state_dict()
    assert set(cut) <= set(state)
    for key, tensor in cut.items():
        assert tensor.untyped_storage().data_ptr() == state[key].untyped_storage().data_ptr(), key
    assert cut["blocks.1.conv.inverted_bottleneck.conv.conv.weight"].shape == (48, 16, 1, 1)
    assert net.convolution_weights(config) < net.convolution_weights(net.space.largest())


def test_random_weights_follow_the_seed():
    a, b, c = (ofa_net(V3, seed).state_dict()["blocks.3.conv.point_linear.conv.conv.weight"] for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
