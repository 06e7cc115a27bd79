"""Line coverage: the file that Verilator writes, and what is made of it."""
from __future__ import annotations

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


def test_command(capsys, monkeypatch):
    """The model that counts takes half a minute to build: here the command only, with what it would get."""
    from nigiri_sim.verify import cover

    lines = {"tiny": {"reached": 9, "points": 10, "share": 0.9, "missing": ["tiny line 3, if: if (x) y;"]}}
    functional = {"operator_kernel_stride_split_residency": "1 of 2", "what_follows_the_sums": "3 of 4"}
    monkeypatch.setattr(cover, "cover", lambda programs, configs, say: {
        "programs": programs, "lines": lines, "functional": functional})
    assert main(["verify", "coverage", "--programs", "40", "--config", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "tiny: 9 of 10 lines and branches of the Verilog (90.00 %)" in out and "not reached: tiny line 3" in out
    assert main(["verify", "coverage", "--config", "none"]) == 2
