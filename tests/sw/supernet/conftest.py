"""Support files beside these tests, the scripts that they share their measurements with, and what they share."""
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3] / "scripts")]


@pytest.fixture
def one_thread():
    """Small tensors are faster so, and tests run side by side."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
