"""Line coverage: the file that Verilator writes, and what is made of it."""
from __future__ import annotations

import json

import pytest

from nigiri.cli import main
from nigiri_sim.verify.lines import Point, merge, read, real, summary

DAT = """# SystemC::Coverage-3
C '\x01f\x02design.v\x01l\x022\x01n\x025\x01page\x02v_line/top.a\x01o\x02block\x01h\x02top.a0' 3
C '\x01f\x02design.v\x01l\x022\x01n\x025\x01page\x02v_line/top.a\x01o\x02block\x01h\x02top.a1' 4
C '\x01f\x02design.v\x01l\x021\x01n\x029\x01page\x02v_branch/top\x01o\x02if\x01h\x02top' 0
C '\x01f\x02design.v\x01l\x023\x01n\x029\x01page\x02v_branch/top\x01o\x02if\x01h\x02top' 0
C '\x01f\x02design.v\x01l\x023\x01page\x02v_toggle/top\x01o\x02x\x01h\x02top' 0
"""
VERILOG = "if (x) y;\nz;\nif (\\$auto$verilog_backend.cc:2189:dump_module$1 ) begin end\n"


def test_what_verilator_writes(tmp_path):
    path = tmp_path / "c.dat"
    path.write_text(DAT)
    points = read(path)
    assert points == {Point("top.a", 2, 5, "block"): 7, Point("top", 1, 9, "if"): 0, Point("top", 3, 9, "if"): 0}
    assert merge(points, points)[Point("top.a", 2, 5, "block")] == 14
    kept = real(points, VERILOG)
    assert len(kept) == 2
    assert summary(kept, VERILOG) == {"reached": 1, "points": 2, "share": 0.5, "modules": {"top": "0 of 1"},
                                      "missing": ["top line 1, if: if (x) y;"], "missing_count": 1}


@pytest.mark.verilator
@pytest.mark.slow
def test_command(capsys):
    assert main(["verify", "coverage", "--programs", "40", "--config", "tiny", "--json"]) == 0
    d = json.loads(capsys.readouterr().out)
    assert d["lines"]["tiny"]["points"] > 9000 and d["lines"]["tiny"]["share"] > 0.8
    assert d["functional"]["layers"] > 20
