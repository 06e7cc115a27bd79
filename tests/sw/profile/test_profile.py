"""`nigiri profile`: rows, timeline, roofline, command."""
from __future__ import annotations

import json
from itertools import pairwise

import pytest

from nigiri.cli import main
from nigiri.compiler import compile_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.cycles import predict
from nigiri.profile import rows_of
from nigiri.profile.layers import names_of
from nigiri.profile.roofline import roofline
from nigiri.profile.trace import TRACKS, trace
from nigiri.spec import get_config, get_memory


@pytest.fixture(scope="module")
def compiled():
    return compile_network(toy_image_network(0), get_config("kv260"))


@pytest.fixture(scope="module")
def predicted(compiled):
    return predict(compiled.descriptors("large"), compiled.config, get_memory("slow"))


def test_rows_add_up(compiled, predicted):
    program = compiled.descriptors("large")
    rows = rows_of(compiled, program, predicted, measured=[10] * len(program))
    assert sum(r.cycles for r in rows) == pytest.approx(predicted.cycles, abs=1)
    assert sum(r.descriptors for r in rows) == len(program)
    assert sum(r.measured for r in rows) == 10 * len(program)
    assert sum(r.dram_bytes for r in rows) == predicted.dram_bytes
    assert {r.bound for r in rows} <= {"compute", "weights", "requantise", "residual", "load/store", "overhead"}
    assert next(r for r in rows if r.name == "fc").bound == "weights"
    assert next(r for r in rows if r.name == "load").bound == "load/store"


def test_trace_can_be_drawn(compiled, predicted):
    names = names_of(compiled, compiled.descriptors("large"))
    got = json.loads(json.dumps(trace(predicted, names, 200.0, "toy")))
    events = [e for e in got["traceEvents"] if e["ph"] == "X"]
    assert {e["cat"] for e in events} == set(TRACKS) - {"fill"}
    for tid in range(1, len(TRACKS) + 1):
        track = sorted((e["ts"], e["dur"]) for e in events if e["tid"] == tid)
        assert all(dur > 0 for _, dur in track)
        assert all(a + dur <= b + 1e-6 for (a, dur), (b, _) in pairwise(track))
    assert max(e["ts"] + e["dur"] for e in events) <= predicted.cycles / 200.0 + 0.1


def test_roofline_is_a_picture(compiled, predicted, tmp_path):
    rows = rows_of(compiled, compiled.descriptors("large"), predicted)
    roofline({"no cache": rows}, tmp_path / "sub" / "r.png", mac_units=1024, bytes_per_cycle=51.2, title="toy")
    assert (tmp_path / "sub" / "r.png").read_bytes().startswith(b"\x89PNG")


def test_command(capsys, tmp_path):
    path = tmp_path / "t.json"
    assert main(["profile", "demo:min", "--cache", "best", "--trace", str(path), "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert sum(x["cycles"] for x in got["layers"]) == pytest.approx(got["cycles"], abs=len(got["layers"]))
    assert got["bytes"]["pb"] > 0 and 0 < got["utilization"] < 1
    assert json.loads(path.read_text())["traceEvents"]


def test_command_for_people(capsys):
    assert main(["profile", "demo:min"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("bound by", "compute", "MAC units", "ddr3 constants"))


@pytest.mark.parametrize(("options", "message"), [
    (["--cache", "all"], "--cache must be none or best, not 'all'"),
    (["--device", "board"], "--device must be model or rtl, not 'board'"),
    (["--memory", "fast"], "unknown memory setting 'fast'"),
])
def test_refusals(capsys, options, message):
    assert main(["profile", "demo:min", *options]) == 2
    assert message in capsys.readouterr().err
