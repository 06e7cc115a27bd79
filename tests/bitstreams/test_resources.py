"""The stored synthesis results: of the Verilog as it is now, within the limits that are promised."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from nigiri.spec import get_config
from nigiri.spec.resources import resources

RESULTS = Path(__file__).parents[2] / "docs" / "results"
BOARDS = ("pynq_z2", "kv260", "zcu104")


def stored(name: str) -> dict:
    return json.loads((RESULTS / f"resources_{name}.json").read_text())


def test_the_verilog_is_the_one_that_was_synthesised():
    from nigiri_hw.build.verilog import generate

    text = generate(get_config("pynq_z2"))
    assert hashlib.sha256(text.encode()).hexdigest() == stored("pynq_z2")["verilog_sha256"], \
        "the Verilog has changed: run `nigiri bench resources` for pynq_z2, kv260 and zcu104 and store the results"


def test_pynq_z2_is_within_its_limits():
    d = stored("pynq_z2")
    assert d["macs_per_cycle"] >= 384 and d["dsp"] <= 209 and d["bram36"] <= 126 and d["lut"] <= 42_500


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_fits(name):
    d, counted = stored(name), resources(get_config(name))
    assert all(d[k] <= d["available"][k] for k in ("lut", "ff", "dsp", "bram36", "uram"))
    # The count by hand agrees: two multiply-accumulates a slice, every buffer in a RAM, none in flip-flops.
    assert d["dsp"] == counted.dsp <= d["macs_per_cycle"] // 2 + 4 * 8 * get_config(name).requant_pixels + 13
    assert d["uram"] == counted.uram and d["bram36"] <= counted.bram36
