"""Networks that the compiler's tests share."""
from __future__ import annotations

import pytest

from nigiri import bundle
from nigiri.compiler.toy import toy_network


@pytest.fixture(scope="session")
def toy():
    return toy_network(0)


@pytest.fixture(scope="session")
def demo():
    return bundle.load(bundle.demo_path())
