"""Simulated boards under the real pynq package."""
from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

pytest.importorskip("pynq")
sys.path.insert(0, str(Path(__file__).parent))

import pynq
from board_helpers import BOARDS_HERE

from nigiri.runtime import connect as connect_module
from nigiri_sim.board.start import start


@pytest.fixture(autouse=True)
def no_real_board(monkeypatch):
    """Nothing of the machine that runs the tests decides which board this is."""
    for name in ("NIGIRI_DEVICE", "BOARD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connect_module, "BOARD_FILE", Path("/nonexistent"))


@pytest.fixture(autouse=True)
def forget_the_board():
    yield
    pynq.Device.active_device = None
    gc.collect()


@pytest.fixture
def simulated():
    """start(), with every board closed at the end and no buffer left over."""
    boards = []

    def make(*args, **kwargs):
        boards.append(start(*args, **kwargs))
        return boards[-1]
    yield make
    gc.collect()
    left = [b.buffers for b in boards if b.core is not None]
    for board in boards:
        board.close()
    assert sum(left) == 0, "buffers were not given back"


@pytest.fixture(params=BOARDS_HERE)
def board_name(request):
    return request.param
