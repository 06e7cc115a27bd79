"""RTL devices shared by the system tests: one model per configuration, one device per memory setting."""

from __future__ import annotations

import functools

import pytest

from nigiri.spec import get_config, get_memory
from nigiri_sim.device import RtlDevice


@functools.cache
def _device(config: str, memory: str, stalls: float) -> RtlDevice:
    return RtlDevice(get_config(config), get_memory(memory), stalls=stalls, seed=1)


@pytest.fixture(scope="session")
def rtl():
    """rtl(config, memory, stalls=0): a device that lives as long as the session; users reset it."""

    def get(config: str, memory: str, stalls: float = 0.0) -> RtlDevice:
        return _device(config, memory, stalls)

    yield get
    _device.cache_clear()
