"""Accelerator configurations and memory settings: validation, digest, derived figures."""
import json
from dataclasses import asdict, replace

import pytest

from nigiri.spec import CONFIGS, MEMORIES, MemorySetting, get_config, get_memory
from nigiri.spec.config import ConfigError
from nigiri.spec.memory import default_memory

TINY = CONFIGS["tiny"]


@pytest.mark.parametrize(("change", "message"), [
    ({"lanes": 0}, "lanes must be between 1 and 120, not 0"),
    ({"lanes": 121}, "lanes must be between 1 and 120, not 121"),
    ({"lanes": 4, "requant_pixels": 3}, "requant_pixels must divide lanes, not 3"),
    ({"requant_pixels": 0}, "requant_pixels must divide lanes, not 0"),
    ({"groups": 3}, "groups must be 1, 2 or 4 and each take an even number of lanes, not 3"),
    ({"groups": 8}, "groups must be 1, 2 or 4 and each take an even number of lanes, not 8"),
    ({"groups": 2}, "groups must be 1, 2 or 4 and each take an even number of lanes, not 2"),
    ({"lanes": 12, "requant_pixels": 6, "groups": 4},
     "groups must be 1, 2 or 4 and each take an even number of lanes, not 4"),
    ({"lanes": 4, "requant_pixels": 1, "groups": 2},
     "requant_pixels must be half of lanes where there are groups, not 1"),
    ({"lanes": 4, "requant_pixels": 4, "groups": 2},
     "requant_pixels must be half of lanes where there are groups, not 4"),
    ({"ab_words": 3000}, "ab_words must be a multiple of 64 of at least 128, not 3000"),
    ({"ab_words": 64}, "ab_words must be a multiple of 64 of at least 128, not 64"),
    ({"db_words": 32}, "db_words must be a power of two between 64 and 65536, not 32"),
    ({"db_words": 100}, "db_words must be a power of two between 64 and 65536, not 100"),
    ({"db_words": 131072}, "db_words must be a power of two between 64 and 65536, not 131072"),
    ({"pb_words": -1}, "pb_words must be between 0 and 1048576, not -1"),
    ({"pb_words": 2**20 + 1}, "pb_words must be between 0 and 1048576, not 1048577"),
    ({"ports": 0}, "ports must be between 1 and 16, not 0"),
    ({"ports": 17}, "ports must be between 1 and 16, not 17"),
    ({"port_bits": 32}, "port_bits must be 64 or 128, not 32"),
    ({"layers": 12}, "layers must be a power of two between 2 and 1024, not 12"),
    ({"layers": 1}, "layers must be a power of two between 2 and 1024, not 1"),
    ({"layers": 2048}, "layers must be a power of two between 2 and 1024, not 2048"),
    ({"clock_mhz": 0}, "clock_mhz must be positive, not 0"),
])
def test_bad_configuration_is_refused(change, message):
    with pytest.raises(ConfigError) as e:
        replace(TINY, **change)
    assert str(e.value) == f"configuration 'tiny': {message}"


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError) as e:
        get_config("pynq_z1")
    assert str(e.value) == f"unknown configuration 'pynq_z1': choose one of {', '.join(CONFIGS)}"
    with pytest.raises(ConfigError) as e:
        get_memory("hbm")
    assert str(e.value) == "unknown memory setting 'hbm': choose one of ddr3_z2, ddr4, u50, slow, ideal"


@pytest.mark.parametrize("name", CONFIGS)
def test_named_configuration(name):
    config = get_config(name)
    assert config.name == name
    assert config.mac_units == 64 * config.lanes
    assert config.banks >= config.lanes + 6 and config.banks & (config.banks - 1) == 0
    assert config.burst_words * 64 == 16 * config.port_bits // 8
    assert config.ring_words * config.groups == config.db_words
    assert config.port_bytes * 8 == config.ports * config.port_bits
    assert json.loads(json.dumps(asdict(config))) == asdict(config)


def test_digest_is_stable():
    """A change here means that hardware and bundles built before are refused: it needs a new interface version."""
    assert {name: f"{c.digest():08x}" for name, c in CONFIGS.items()} == {
        "tiny": "e085d6de", "small": "cafb39da", "pynq_z2": "d10a6237", "kv260": "070130be",
        "zcu104": "b64d6eeb", "sushi_zcu104": "a73b645f", "sushi_u50": "c4c05553"}


@pytest.mark.parametrize("change", [
    {"lanes": 4}, {"requant_pixels": 2}, {"ab_words": 8192}, {"db_words": 512},
    {"pb_words": 0}, {"ports": 2},
    {"port_bits": 128}, {"layers": 32}, {"lanes": 4, "requant_pixels": 2, "groups": 2}])
def test_digest_depends_on_what_the_program_depends_on(change):
    assert replace(TINY, **change).digest() != TINY.digest()


@pytest.mark.parametrize("change", [{"name": "other"}, {"part": "xc7z010"}, {"clock_mhz": 1.0}])
def test_digest_ignores_what_changes_no_result(change):
    assert replace(TINY, **change).digest() == TINY.digest()


def test_digests_differ():
    assert len({c.digest() for c in CONFIGS.values()}) == len(CONFIGS)


@pytest.mark.parametrize(("change", "message"), [
    ({"peak_gbs": 0}, "peak_gbs must be positive and efficiency in (0, 1], not 0 and 0.8"),
    ({"efficiency": 0}, "peak_gbs must be positive and efficiency in (0, 1], not 4.2 and 0"),
    ({"efficiency": 1.5}, "peak_gbs must be positive and efficiency in (0, 1], not 4.2 and 1.5"),
    ({"latency": 0}, "latency must be 1..100000 and outstanding 1..64, not 0 and 8"),
    ({"outstanding": 65}, "latency must be 1..100000 and outstanding 1..64, not 30 and 65"),
])
def test_bad_memory_setting_is_refused(change, message):
    with pytest.raises(ConfigError) as e:
        replace(MEMORIES["ddr3_z2"], **change)
    assert str(e.value) == f"memory 'ddr3_z2': {message}"


def test_memory_rate_is_the_smaller_of_memory_and_ports():
    z2 = CONFIGS["pynq_z2"]
    slow = MemorySetting(name="m", peak_gbs=0.4, efficiency=0.5)
    fast = MemorySetting(name="m", peak_gbs=100, efficiency=0.5)
    assert slow.bytes_per_cycle(z2) == pytest.approx(0.5 * 4)      # 0.4 GB/s at 100 MHz
    assert fast.bytes_per_cycle(z2) == pytest.approx(0.5 * 16)     # two ports of 8 bytes


def test_every_configuration_has_a_memory():
    assert {name: default_memory(c).name for name, c in CONFIGS.items()} == {
        "tiny": "ddr3_z2", "small": "ddr3_z2", "pynq_z2": "ddr3_z2", "kv260": "ddr4", "zcu104": "ddr4",
        "sushi_zcu104": "ddr4", "sushi_u50": "u50"}
