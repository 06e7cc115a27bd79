"""Small versions of the networks: the real structure on images of a few pixels."""
from dataclasses import replace

import pytest

from nigiri.zoo.build import FAMILIES, assemble, calibrated


def small(family: str, subnet: str, side: int, seed: int = 0):
    f = FAMILIES[family]
    choice = replace(f.choices[subnet], side=side)
    return assemble(f, {subnet: (choice, calibrated(f, choice, seed))}, seed)


@pytest.fixture(scope="session")
def mobilenet():
    return small("ofa_mbv3_w10", "min", 64)


@pytest.fixture(scope="session")
def resnet():
    return small("ofa_resnet50", "A", 64)
