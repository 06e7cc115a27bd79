"""Search spaces: every SubNet that is drawn, changed or crossed is one of the SuperNet's, and what is refused."""
from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nigiri.zoo.build import FAMILIES, cost
from nigiri.zoo.errors import BadConfiguration
from nigiri.zoo.plan import Family
from nigiri.zoo.space import space_of

SPACES = {name: space_of(f) for name, f in FAMILIES.items()}
MACS = {("ofa_resnet50", 0): 962, ("ofa_resnet50", 1): 7492, ("ofa_mbv3_w10", 0): 121.3, ("ofa_mbv3_w10", 1): 566.2,
        ("ofa_mbv3_w12", 0): 193.1, ("ofa_mbv3_w12", 1): 843.1}
"""Million multiply-accumulates of the smallest and the largest SubNet at 224 pixels, counted with the networks'
original definitions."""


@pytest.mark.parametrize(("name", "largest"), MACS)
def test_extremes(name, largest):
    f, space = FAMILIES[name], SPACES[name]
    choice = replace(space.largest() if largest else space.smallest(), side=224)
    assert round(cost(f.layers(), f.steps(choice))[0] / 1e6, 1) == pytest.approx(MACS[name, largest], abs=0.5)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_made_belongs_to_the_space(name):
    f, space, seed = FAMILIES[name], SPACES[name], 3
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    parents = [space.random(rng) for _ in range(60)]
    children = [space.mutate(p, rng) for p in parents]
    children += [space.cross(a, b, rng) for a, b in pairwise(parents)]
    for choice in [*parents, *children, space.smallest(), space.largest()]:
        assert space.from_json(json.loads(json.dumps(space.to_json(choice)))) == choice
        steps = f.steps(choice)
        assert len({s.name for s in steps}) == len(steps)
    for kind in (parents, children):                        # all of the space is reached, not a corner of it
        assert {c.side for c in kind} == set(space.sides)
        assert {d for c in kind for d in c.depth} == {int(d) for o in space.depth for d in o}


@pytest.mark.parametrize("name", FAMILIES)
def test_crossing_and_mutation_keep_most(name):
    space, rng = SPACES[name], np.random.default_rng(4)
    a, b = space.smallest(), space.largest()
    child = space.cross(a, b, rng)
    assert all(x in (y, z) for x, y, z in zip(child.depth, a.depth, b.depth, strict=True))
    assert space.cross(a, a, rng) == a
    same = [x == y for _ in range(50) for x, y in zip(space.mutate(b, rng).depth, b.depth, strict=True)]
    assert 0.8 < np.mean(same) < 1                          # a tenth is drawn again


def test_sizes():
    """Once-for-All's paper: ((3 x 3)^2 + (3 x 3)^3 + (3 x 3)^4)^5, about 2 x 10^19, at each image side."""
    assert SPACES["ofa_mbv3_w12"].size() == (9**2 + 9**3 + 9**4)**5 * 5
    assert SPACES["ofa_mbv3_w10"].size() == (9**2 + 9**3 + 9**4)**5 * 7
    stages = [sum(3**(base + d) for d in range(3)) for base in (2, 2, 4, 2)]
    assert SPACES["ofa_resnet50"].size() == 2 * int(np.prod(stages)) * 3**6 * 4


def test_unused_blocks_do_not_count():
    space = SPACES["ofa_mbv3_w12"]
    data = space.to_json(space.smallest())
    assert data["e"][2] == data["ks"][2] == 0
    data["e"][2], data["ks"][2] = 6, 7
    assert space.from_json(data) == space.smallest()


def test_image_size_stands_for_r():
    space = SPACES["ofa_mbv3_w12"]
    data = space.to_json(space.largest())
    assert space.from_json({k: v for k, v in data.items() if k != "r"} | {"image_size": [224]}) == space.largest()


@pytest.mark.parametrize(("change", "message"), [
    (3, r"a SubNet of ofa_mbv3_w12 must be an object with 'd' \(5 numbers\), 'e' \(20 numbers\), 'ks' \(20 numbers\), "
        r"'r', not 3"),
    ({"r": 100}, r"a SubNet of ofa_mbv3_w12 must have an image side \(\"r\"\) of 160, 176, 192, 208, 224, not 100"),
    ({"r": None}, r".* not None"),
    ({"d": None}, r"a SubNet of ofa_mbv3_w12 must have a list 'd' of 5 numbers: it needs 'd' .*"),
    ({"e": [3] * 19}, r"a SubNet of ofa_mbv3_w12 must have a list 'e' of 20 numbers: it needs .*"),
    ({"d": [2, 2, 5, 2, 2]}, r"number 2 of 'd' of a SubNet of ofa_mbv3_w12 must be one of 2, 3, 4, not 5"),
    ({"ks": ["3"] * 20}, r"number 0 of 'ks' of a SubNet of ofa_mbv3_w12 must be one of 3, 5, 7, not '3'"),
    ({"e": [True] * 20}, r"number 0 of 'e' of .*, not True")])
def test_refused(change, message):
    space = SPACES["ofa_mbv3_w12"]
    data = space.to_json(space.largest()) | change if isinstance(change, dict) else change
    with pytest.raises(BadConfiguration) as error:
        space.from_json(data)
    assert re.fullmatch(message, str(error.value))


def test_another_family():
    other = Family()
    other.name = "other"
    with pytest.raises(BadConfiguration, match=r"^there is no search space for network 'other': choose a MobileNetV3 "
                                               r"or ResNet50$"):
        space_of(other)
