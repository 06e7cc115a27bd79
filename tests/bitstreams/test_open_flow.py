"""The open tools' flow, as far as it goes without them: PS7's pins, the scripts, what is missing."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from amaranth.hdl import Fragment, Instance, Value

from nigiri.cli import main
from nigiri.spec import get_config
from nigiri_hw.build import open_flow
from nigiri_hw.build.ps7 import ZynqTop

PORTS = json.loads(Path(__file__).with_name("ps7_ports.json").read_text())
"""Direction and width of the primitive's pins that we use, from the simulation library."""
OPTIONAL = {"FCLKCLKTRIGN"}


def primitive() -> Instance:
    module = Fragment.get(ZynqTop(get_config("pynq_z2")), None)
    return next(f for f, *_ in module.subfragments if isinstance(f, Instance) and f.type == "PS7")


def test_every_pin_has_the_primitives_direction_and_width():
    pins = primitive().ports
    assert set(pins) <= set(PORTS)
    for name, (value, kind) in pins.items():
        direction, width = PORTS[name]
        assert {"i": "input", "o": "output"}[kind] == direction, name
        assert len(Value.cast(value)) == width or name == "IRQF2P", (name, width)


def test_no_input_of_a_used_port_is_left_open():
    used = set(primitive().ports)
    for prefix in ("MAXIGP0", "SAXIHP0", "SAXIHP1"):
        inputs = {n for n, (d, _) in PORTS.items() if n.startswith(prefix) and d == "input"}
        assert inputs <= used, prefix


def test_configurations_that_do_not_fit_the_ports():
    with pytest.raises(ValueError, match=r"^configuration 'kv260' has 4 data ports of 128 bits, a Zynq-7000 4 of 64$"):
        ZynqTop(get_config("kv260"))


def test_scripts_name_part_clock_and_block_ram(tmp_path):
    path = open_flow.build(tmp_path, place_and_route=False)
    script = path.read_text()
    assert "-nobram" not in script and "--freq 100 --seed 1" in script and "xc7z020clg400-1" in script
    verilog = (tmp_path / "nigiri.v").read_text()
    assert "PS7" in verilog and "BUFG" in verilog


def test_other_boards_and_missing_tools(tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"^the open tools know the PYNQ-Z2's part only, not Kria KV260's$"):
        open_flow.build(tmp_path, board="kv260")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["bitstream", "pynq_z2", "--tools", "open"]) == 2
    assert ("nigiri: the open tools are not all installed, missing: yosys, nextpnr-xilinx, fasm2frames, "
            "xc7frames2bit. See bitstreams/README.md") in capsys.readouterr().err
    assert main(["bitstream", "kv260", "--tools", "open"]) == 2
    assert "the open tools know the PYNQ-Z2's part only" in capsys.readouterr().err
