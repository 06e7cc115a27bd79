"""Lets the tests of this folder import hw_helpers; all of them run Amaranth's simulator."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _collect(collect_abandoned_testbenches):
    yield
