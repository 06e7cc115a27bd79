"""Shapes, sizes and names; nothing is calibrated here."""
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nigiri import zoo
from nigiri.spec import CONFIGS
from nigiri.zoo.build import FAMILIES, cost, load, parse, subnet_info
from nigiri.zoo.image import weight_codes, weight_image
from nigiri.zoo.plan import Act, Choice, divisible

CLASSES = 1000

# Published: multiply-accumulates and weights of the convolutions of the six SubNets, without the classifier.
PUBLISHED = {"A": (598284800, 7950536, 160), "B": (895712000, 12807560, 160), "C": (1793138688, 18638664, 192),
             "D": (2378734848, 26866760, 192), "E": (3666241152, 24806088, 224), "F": (4062967104, 28803720, 224)}

# Counted with the networks' original definitions, classifier included: image 224, everything smallest or largest.
EXTREMES = {("ofa_resnet50", 0): (962, 6.515), ("ofa_resnet50", 1): (7492, 48.038),
            ("ofa_mbv3_w10", 0): (121.3, 3.396), ("ofa_mbv3_w10", 1): (566.2, 7.613),
            ("ofa_mbv3_w12", 0): (193.1, 4.585), ("ofa_mbv3_w12", 1): (843.1, 10.639)}


def extreme(family: str, largest: int) -> Choice:
    if family == "ofa_resnet50":
        return Choice(side=224, depth=(2 * largest,) * 5, width=(2 * largest,) * 6, expand=((0.2, 0.35)[largest],) * 18)
    return Choice(side=224, depth=((2, 4)[largest],) * 5, expand=((3, 6)[largest],) * 20,
                  kernel=((3, 7)[largest],) * 20)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_subnets(name):
    f = FAMILIES["ofa_resnet50"]
    macs, weights, side = PUBLISHED[name]
    steps = f.steps(f.choices[name])
    classifier = steps[-1].cin * CLASSES
    got_macs, got_bytes, got_weights = cost(f.layers(), steps)
    assert (got_macs - classifier, got_weights - classifier, f.choices[name].side) == (macs, weights, side)
    assert got_bytes - got_weights == 5 * steps[0].cout         # the stem's 27 inputs are padded to 32


@pytest.mark.parametrize(("family", "largest"), EXTREMES)
def test_smallest_and_largest(family, largest):
    f = FAMILIES[family]
    macs, megabytes = EXTREMES[family, largest]
    got_macs, _, weights = cost(f.layers(), f.steps(extreme(family, largest)))
    assert got_macs / 1e6 == pytest.approx(macs, rel=6e-4) and weights / 1e6 == pytest.approx(megabytes, abs=6e-4)


def test_the_largest_subnet_uses_the_whole_supernet():
    for name, f in FAMILIES.items():
        pools = sum(s.words for s in f.layers() if s.shared)
        words = cost(f.layers(), f.steps(extreme(name, 1)))[1] // 64
        assert words == sum(s.words for s in f.layers()) - pools


@pytest.mark.parametrize("name", FAMILIES)
def test_every_subnet_fits_its_supernet(name):
    f = FAMILIES[name]
    layers = {s.name: s for s in f.layers()}
    assert len(layers) <= min(c.layers for c in CONFIGS.values() if c.layers > 16)
    assert sum(s.words for s in layers.values()) * 64 < 50e6
    for choice in f.choices.values():
        for x in f.steps(choice):
            s = layers[x.weights]
            assert s.shared or (x.cin <= s.cin and x.cout <= s.cout and x.kernel <= s.kernel)


def test_pareto_subnets_of_mobilenet_w12_span_the_published_sizes():
    f = FAMILIES["ofa_mbv3_w12"]
    infos = [subnet_info(f, n, c) for n, c in f.choices.items() if n.startswith("p")]
    sizes = [(i.config["weights"] - f.mix * CLASSES) / 2**20 for i in infos]
    assert len(infos) == 7 and 2.97 <= sizes[0] < 3.0 and 4.7 < sizes[-1] <= 4.74


@pytest.mark.parametrize("name", ["ofa_mbv3_w10", "ofa_mbv3_w12"])
def test_pareto_subnets_are_in_order(name):
    f = FAMILIES[name]
    infos = [subnet_info(f, n, c) for n, c in f.choices.items() if n.startswith("p")]
    assert all(a.macs < b.macs and a.weight_bytes < b.weight_bytes for a, b in pairwise(infos))


@pytest.mark.parametrize(("name", "side", "depth", "expand", "kernel"), [
    ("min", 160, 2, 3, 3), ("mid", 192, 3, 4, 5), ("max", 224, 4, 6, 7)])
def test_uniform_mobilenets(name, side, depth, expand, kernel):
    for f in (FAMILIES["ofa_mbv3_w10"], FAMILIES["ofa_mbv3_w12"]):
        c = f.choices[name]
        assert (c.side, set(c.depth), set(c.expand), set(c.kernel)) == (side, {depth}, {expand}, {kernel})


def test_squeeze_and_excite():
    f = FAMILIES["ofa_mbv3_w10"]
    steps = {x.name: x for x in f.steps(f.choices["min"])}
    se1, se2, scale, project = (steps[f"s1.b0.{n}"] for n in ("se1", "se2", "scale", "project"))
    assert steps["s1.b0.dw"].pool and se1.source == "s1.b0.dw.pool" and se2.act is Act.HSIGMOID
    assert (scale.source, scale.scale, project.source) == ("s1.b0.dw", "s1.b0.se2", "s1.b0.scale")
    assert (se1.side, se1.cout, se2.cout) == (1, divisible(steps["s1.b0.dw"].cout // 4), steps["s1.b0.dw"].cout)
    assert "s0.b0.se1" not in steps and "s2.b0.se1" not in steps


def test_shortcuts_of_resnet():
    f = FAMILIES["ofa_resnet50"]
    steps = {x.name: x for x in f.steps(f.choices["F"])}
    assert steps["s0.b0.down"].source == "maxpool" and steps["s1.b0.down"].source == "s1.b0.avg"
    assert steps["s1.b0.avg"].source == steps["s1.b0.conv1"].source == "s0.b3.conv3"
    assert (steps["s1.b0.conv3"].residual, steps["s1.b1.conv3"].residual) == ("s1.b0.down", "s1.b0.conv3")
    assert "stem1" in steps and "stem1" not in {x.name for x in f.steps(f.choices["A"])}


def test_weight_image_is_random_but_the_same_for_a_seed():
    f = FAMILIES["ofa_mbv3_w10"]
    layers = f.layers()
    image = weight_image(f.name, layers, 3)
    assert np.array_equal(image, weight_image(f.name, layers, 3))
    assert not np.array_equal(image, weight_image(f.name, layers, 4))
    codes = image.view(np.int8)
    assert codes.min() == -127 and codes.max() == 127 and not image.flags.writeable
    by_name = {s.name: s for s in layers}
    w = weight_codes(image, by_name["head"], 160, 960, 1)
    assert abs(w.mean()) < 1 and 40 < w.std() < 48
    assert (weight_codes(image, by_name["identity"], 40, 40, 1) == 1).all()
    stem = weight_codes(image, by_name["stem"], 27, 16, 1)
    assert stem.shape == (1, 27, 16)


def test_average_pool_weights():
    f = FAMILIES["ofa_resnet50"]
    image = weight_image(f.name, f.layers()[:5], 0)
    w = weight_codes(image, f.layers()[4], 12, 12, 3).reshape(3, 3, 12)
    assert (w[1:, 1:] == 1).all() and w.sum() == 4 * 12


def test_names():
    names = zoo.names()
    assert len(set(names)) == len(names) == 3 + 6 + 10 + 10
    for name in names:
        family, subnets = parse(name)
        assert name.startswith(family.name) and len(subnets) == (1 if ":" in name else len(family.choices))
    assert parse("ofa_resnet50")[1] == tuple("ABCDEF")


@pytest.mark.parametrize(("name", "message"), [
    ("resnet", "unknown network 'resnet': choose one of ofa_resnet50, ofa_mbv3_w10, ofa_mbv3_w12"),
    ("", "unknown network ''"),
    ("ofa_resnet50:G", "unknown SubNet 'G' of ofa_resnet50: choose one of A, B, C, D, E, F"),
    ("ofa_mbv3_w10:", "unknown SubNet '' of ofa_mbv3_w10: choose one of min, p0")])
def test_unknown_names(name, message):
    for function in (load, zoo.cached):
        with pytest.raises(zoo.UnknownNetwork) as caught:
            function(name)
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("family", "side", "multiple"), [("ofa_resnet50", 176, 32), ("ofa_mbv3_w10", 100, 16),
                                                          ("ofa_mbv3_w10", 0, 16)])
def test_bad_image_sides(family, side, multiple):
    f = FAMILIES[family]
    choice = replace(next(iter(f.choices.values())), side=side)
    with pytest.raises(zoo.BadImageSide, match=f"must be a multiple of {multiple}, not {side}: choose one"):
        f.steps(choice)
