"""One-hot encodings: by hand, and against the encoders of Once-for-All's own package where it is installed."""
from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from nigiri.search import features
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.plan import Choice
from nigiri.zoo.space import space_of


def test_mobilenet_by_hand():
    choice = Choice(side=160, depth=(2, 2, 3, 2, 2), expand=tuple([3, 4, 0, 0] * 2 + [6, 6, 6, 0] + [3, 4, 0, 0] * 2),
                    kernel=tuple([5, 7, 0, 0] * 2 + [3, 3, 3, 0] + [5, 7, 0, 0] * 2))
    x = features.mobilenet(choice)
    assert x.shape == (128,)
    kernel, expand = x[:60].reshape(20, 3), x[60:120].reshape(20, 3)
    assert kernel[0].tolist() == [0, 1, 0] and kernel[1].tolist() == [0, 0, 1] and not kernel[2:4].any()
    assert kernel[8:11].tolist() == [[1, 0, 0]] * 3 and not kernel[11].any()
    assert expand[0].tolist() == [1, 0, 0] and expand[1].tolist() == [0, 1, 0] and expand[10].tolist() == [0, 0, 1]
    assert x[120:].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


def test_resnet_by_hand():
    x = features.resnet(FAMILIES["ofa_resnet50"].choices["D"])      # 192 px, depth 22212, width 020022
    assert x.shape == (82,)
    assert x[:8].tolist() == [0, 0, 0, 0, 1, 0, 0, 0] and x[8:10].tolist() == [0, 1]
    assert x[10:28].reshape(6, 3).argmax(1).tolist() == [0, 2, 0, 0, 2, 2]
    expand = x[28:].reshape(18, 3)
    assert expand.sum(1).tolist() == [1] * 13 + [0] + [1] * 4
    assert expand[:4].argmax(1).tolist() == [1, 1, 1, 1] and expand[4].argmax() == 2
    assert features.resnet(FAMILIES["ofa_resnet50"].choices["A"])[8:10].tolist() == [1, 0]


@pytest.mark.parametrize(("side", "want"), [(164, [0, 0, 0, 0.75, 0.25, 0, 0, 0]), (100, [1] + [0] * 7),
                                            (260, [0] * 7 + [1]), (224, [0] * 7 + [1])])
def test_sides_between(side, want):
    choice = Choice(side=side, depth=(2,) * 5, expand=(3,) * 20, kernel=(3,) * 20)
    assert features.mobilenet(choice)[120:].tolist() == want


def test_unused_blocks_have_no_feature():
    full = Choice(side=224, depth=(2,) * 5, expand=(3,) * 20, kernel=(3,) * 20)
    space = space_of(FAMILIES["ofa_mbv3_w12"])
    assert np.array_equal(features.mobilenet(full), features.mobilenet(space.from_json({
        "d": [2] * 5, "e": [3] * 20, "ks": [3] * 20, "r": 224})))


@pytest.fixture
def package(monkeypatch):
    """The package's encoders alone: they need nothing of PyTorch, but what stands around them does."""
    found = importlib.util.find_spec("ofa")
    if found is None:
        pytest.skip("needs the package ofa")
    networks = types.ModuleType("networks")
    networks.ResNets = types.SimpleNamespace(BASE_DEPTH_LIST=[2, 2, 4, 2])
    for name in ("ofa", "ofa.imagenet_classification"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "ofa.imagenet_classification.networks", networks)
    path = Path(found.submodule_search_locations[0]) / "nas" / "accuracy_predictor" / "arch_encoder.py"
    spec = importlib.util.spec_from_file_location("arch_encoder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["ofa_mbv3_w12", "ofa_resnet50"])
def test_against_the_package(name, package):
    space, rng = space_of(FAMILIES[name]), np.random.default_rng(7)
    if name == "ofa_resnet50":
        encoder = package.ResNetArchEncoder(image_size_list=list(features.RESNET_SIDES))
    else:
        encoder = package.MobileNetArchEncoder(image_size_list=list(features.MOBILENET_SIDES))
    for _ in range(50):
        choice = space.random(rng)
        data = space.to_json(choice)
        theirs = encoder.arch2feature(data | {"image_size": data["r"]})
        if name == "ofa_resnet50":
            assert np.array_equal(features.resnet(choice), theirs)
        else:       # this encoder begins with the image side and takes kernels and expansions in the same order
            assert np.array_equal(features.mobilenet(choice), np.roll(theirs, -8))
