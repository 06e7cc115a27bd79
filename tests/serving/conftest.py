"""A latency table of the shipped SuperNet, and devices that fail when they are told to."""
from __future__ import annotations

import importlib.util

import pytest

from nigiri import bundle
from nigiri.serving.backend import Golden, ModelBackend
from nigiri.serving.build import Tables
from nigiri.spec import get_config

if importlib.util.find_spec("starlette") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def loaded():
    return bundle.load(bundle.demo_path())


@pytest.fixture(scope="session")
def images():
    return bundle.demo_images()[0][:32]


@pytest.fixture(scope="session")
def table(loaded):
    return Tables(loaded, subgraphs=4).of(get_config("pynq_z2"))[1]


@pytest.fixture(scope="session")
def golden(loaded, images, table):
    """Knows all images already, so that launches take what the table says."""
    made = Golden(loaded)
    for s in table.subnets:
        made.logits(s.name, images)
    return made


@pytest.fixture
def model(golden, table):
    return lambda speed=0.1: ModelBackend(golden, table, speed * table.clock_mhz)
