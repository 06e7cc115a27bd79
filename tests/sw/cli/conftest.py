"""Lets the tests of this folder import cli_helpers; one toy bundle for all."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    from cli_helpers import save_toy

    path = tmp_path_factory.mktemp("bundle") / "toy.nigiri"
    save_toy(path)
    return path
