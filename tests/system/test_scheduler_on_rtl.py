"""The scheduler on the RTL: the same SushiSched object, with a latency table of the cycle model."""
from __future__ import annotations

import pytest

from nigiri.demo.predicted import predicted


@pytest.mark.verilator
@pytest.mark.slow
@pytest.mark.parametrize("load", [0.0, 0.7])
def test_every_latency_is_predicted(load):
    seed = 2026
    print(f"seed {seed}")
    got = predicted("pynq_z2", 100 if load == 0 else 20, seed, load=load)
    assert got["checked"] == got["queries"]                        # every answer is that of the golden model
    assert got["cache_changes"] >= 5
    assert got["worst_error"] <= 0.03
