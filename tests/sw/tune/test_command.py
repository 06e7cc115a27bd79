"""`nigiri tune`: its errors, and that it shows and draws the stored result."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from nigiri.cli import main
from nigiri.cli.tune import _show
from nigiri.cli.tune_plot import plot_tuning

STORED = Path(__file__).parents[3] / "docs" / "results" / "rrl.json"


def test_an_unknown_family_is_one_line(capsys):
    assert main(["tune", "--family", "lenet"]) == 2
    assert capsys.readouterr().err.strip().endswith("choose one of mobilenet_v3, mobilenet_v3_160, resnet50")


@pytest.mark.skipif(not STORED.exists(), reason="nothing was measured yet")
def test_the_stored_result_is_shown_and_drawn(capsys, tmp_path):
    data = json.loads(STORED.read_text())
    _show(data)
    out = capsys.readouterr().out
    assert "epsilon-greedy 0.1" in out and "sized for the mean" in out and "pass 3" in out
    plot_tuning(data, tmp_path / "p" / "rrl.png")
    assert (tmp_path / "p" / "rrl.png").stat().st_size > 10_000
    for w in data["study"]:
        rrl = w["rows"][0]
        assert rrl["learner"] == "RRL" and rrl["first"]["of"] >= 20
