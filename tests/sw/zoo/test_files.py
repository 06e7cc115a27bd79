"""SubNets from a JSON file."""
from __future__ import annotations

import json
import re

import pytest

from nigiri import zoo
from nigiri.zoo import files
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.space import space_of

SPACE = space_of(FAMILIES["ofa_mbv3_w10"])


def write(path, **changes):
    data = {"network": "ofa_mbv3_w10", "more": 1,
            "subnets": [{"name": "a", "config": SPACE.to_json(SPACE.smallest()), "score": 70.0}]} | changes
    path.write_text(json.dumps(data))
    return path


def test_load(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    path = write(tmp_path / "x.json")
    network = zoo.load_file(path, "a")
    assert [s.info.name for s in network.subnets] == ["a"] and network.subnets[0].height == 128
    assert network.subnets[0].info.config["depth"] == [2] * 5
    again = zoo.load_file(path, "a")                       # from the cache
    layers = [n.subnets[0].layers for n in (network, again)]
    assert all((x.bias == y.bias).all() for x, y in zip(*layers, strict=True))


@pytest.mark.parametrize(("changes", "message"), [
    ({"network": "vgg"}, r".*x\.json is for an unknown network 'vgg': choose one of ofa_resnet50, .*"),
    ({"network": ["vgg"]}, r".*x\.json is for an unknown network \['vgg'\]: choose one of .*"),
    ({"subnets": 3}, r".*x\.json has no \"network\" and \"subnets\" with \"name\" and \"config\": give a file that "
                     r"nigiri pareto wrote"),
    ({"subnets": [{"name": "a"}]}, r".*x\.json has no .*"),
    ({"subnets": []}, r".*x\.json must name at least one SubNet, and each differently, without : and /"),
    ({"subnets": [{"name": n, "config": {}} for n in ("a", "a")]}, r".*x\.json must name at least one SubNet, .*"),
    ({"subnets": [{"name": "a:b", "config": {}}]}, r".*x\.json must name at least one SubNet, .*"),
    ({"subnets": [{"name": "a", "config": {}}]}, r".*x\.json, SubNet a: a SubNet of ofa_mbv3_w10 must have an image "
                                                 r"side .*"),
])
def test_refused(tmp_path, changes, message):
    with pytest.raises((zoo.BadConfiguration, zoo.UnknownNetwork)) as error:
        zoo.read_subnets(write(tmp_path / "x.json", **changes))
    assert re.fullmatch(message, str(error.value))


def test_no_such_file_or_subnet(tmp_path, monkeypatch):
    with pytest.raises(zoo.BadConfiguration, match=r"^there is no file of SubNets at .*/no\.json \(No such file or "
                       r"directory\): check the path, or write one with nigiri pareto$"):
        zoo.read_subnets(tmp_path / "no.json")
    path = write(tmp_path / "x.json")
    with pytest.raises(zoo.UnknownNetwork, match=r"^.*x\.json has no SubNet 'b': choose one of a$"):
        zoo.load_file(path, "b")
    path.write_text("[" * 100_000)
    with pytest.raises(zoo.BadConfiguration, match=r"^.*x\.json has no \"network\""):
        zoo.read_subnets(path)
    monkeypatch.setattr(files, "LIMIT", 10)
    with pytest.raises(zoo.BadConfiguration, match=r"^.*x\.json is larger than 10 bytes: it is no file of SubNets$"):
        zoo.read_subnets(path)
