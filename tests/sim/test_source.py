"""The cache of generated Verilog."""
from dataclasses import replace

import pytest

import nigiri_hw.build.verilog as hardware
from nigiri.spec.config import CONFIGS
from nigiri_sim import source


@pytest.fixture
def generated(tmp_path, monkeypatch):
    """Configurations that were generated; the text is their name."""
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path / "build"))
    names = []

    def generate(config):
        names.append(config.name)
        return f"module {config.name}"
    monkeypatch.setattr(hardware, "generate", generate)
    return names


def test_generated_once(generated):
    assert {source.verilog_of(CONFIGS["tiny"]) for _ in range(3)} == {"module tiny"}
    assert generated == ["tiny"]


def test_every_configuration_has_its_own(generated):
    source.verilog_of(CONFIGS["tiny"])
    source.verilog_of(CONFIGS["pynq_z2"])
    source.verilog_of(replace(CONFIGS["tiny"], pb_words=0))
    assert generated == ["tiny", "pynq_z2", "tiny"]


def test_a_changed_source_is_generated_again(generated, tmp_path, monkeypatch):
    package = tmp_path / "nigiri_hw"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(source.nigiri_hw, "__file__", str(package / "__init__.py"))
    source.verilog_of(CONFIGS["tiny"])
    (package / "unit.py").write_text("1")
    source.verilog_of(CONFIGS["tiny"])
    source.verilog_of(CONFIGS["tiny"])
    assert generated == ["tiny", "tiny"]
