"""Every board's configuration fits its part by the count of its memories and multipliers."""
from __future__ import annotations

from dataclasses import replace

import pytest

from nigiri.spec import CONFIGS, get_config
from nigiri.spec.resources import PARTS, resources


@pytest.mark.parametrize("name", [c.name for c in CONFIGS.values() if c.part])
def test_it_fits(name):
    r = resources(get_config(name))
    assert r.fits and r.part in PARTS.values()
    # Some room for the host's own logic, and for routing.
    assert r.ram_share <= 0.97 and r.dsp <= 0.95 * r.part.dsp, r


def test_counted_by_hand():
    """PYNQ-Z2: 16 banks of 1,024 words, one ring of 8 x 1,024, 8 x 4,096 for the persistent buffer; 6 lanes of DSP."""
    r = resources(get_config("pynq_z2"))
    assert r.bram36 == 16 * 2 + 8 * 2 + 8 * 8 + 12 and r.uram == 0
    assert r.dsp == 64 * 6 // 2 + 8 + 3


def test_too_large():
    r = resources(replace(get_config("zcu104"), pb_words=80 * 1024))
    assert not r.fits and r.ram_share > 1


def test_simulation_only():
    r = resources(get_config("tiny"))
    assert r.fits and r.part is None and r.ram_share == 0
