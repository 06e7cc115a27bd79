"""Networks and programs that the cycle model's tests share."""
from __future__ import annotations

import pytest

from nigiri.compiler import compile_network
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.spec import get_config


@pytest.fixture(scope="session")
def toy():
    return compile_network(toy_network(0), get_config("tiny"))


@pytest.fixture(scope="session")
def image():
    """Every operator, on lane groups."""
    return compile_network(toy_image_network(0), get_config("kv260"))
