"""No release is slower than the one before: cycles of the shipped network against those in docs/results."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from nigiri import bundle
from nigiri.runtime.engine import Engine
from nigiri.spec import get_config

pytestmark = pytest.mark.verilator
RESULTS = Path(__file__).parents[2] / "docs" / "results"
ALLOWED = 1.01


@pytest.mark.parametrize("subnet", ["min", "max"])
def test_cycles_have_not_grown(rtl, subnet):
    stored = json.loads((RESULTS / f"bench_{subnet}_pynq_z2_none.json").read_text())
    config = get_config("pynq_z2")
    with Engine(rtl("pynq_z2", stored["memory"]), bundle.load(bundle.demo_path()).compiled(config)) as engine:
        engine.cache({})
        cycles = engine.infer(subnet, bundle.demo_images()[0][0]).counters.cycles
    assert cycles <= ALLOWED * stored["cycles"], (
        f"{subnet} takes {cycles} cycles, {100 * (cycles / stored['cycles'] - 1):.1f} % more than the "
        f"{stored['cycles']} of docs/results: find out why, or measure again with `make bench` and say so")
    assert cycles >= 0.9 * stored["cycles"], "much faster than docs/results says: measure again with `make bench`"
