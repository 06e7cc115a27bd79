"""Random programs against the RTL, and the tools around them."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nigiri.cli import main
from nigiri.spec import descriptor, get_config, residency
from nigiri_sim.verify.case import Case
from nigiri_sim.verify.compare import Bench
from nigiri_sim.verify.coverage import Functional
from nigiri_sim.verify.fuzz import fuzz, make_case
from nigiri_sim.verify.shrink import shrink

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))
SECONDS, FIRST = 10.0, 1_000_000
"""A time budget; every run of the same seeds runs the same programs."""


@pytest.mark.verilator
def test_random_programs():
    data, failures = fuzz(SECONDS, first=FIRST, say=print)
    print(f"seed {FIRST}", data)
    assert not failures, failures[0].text
    assert data["programs"] > 20 and sum(data["refused"].values()) > 3


@pytest.mark.verilator
@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda p: p.stem)
def test_what_went_wrong_before(path):
    bench = Bench()
    try:
        assert bench.afresh(Case.from_json(path.read_text())) is None
    finally:
        bench.close()


def test_there_are_regressions():
    assert REGRESSIONS


def test_cases_keep():
    for seed in range(40):
        case = make_case(seed)
        again = Case.from_json(case.to_json())
        assert again.to_json() == case.to_json() and np.array_equal(again.image, case.image)
        assert make_case(seed).to_json() == case.to_json()
        assert again.descriptors() == case.descriptors() or case.program_offset != again.program_offset


def test_what_is_spoilt_breaks_a_rule():
    kinds = set()
    for seed in range(300):
        case = make_case(seed)
        config = get_config(case.config)
        if not case.spoilt or case.faults or case.spoilt.startswith("program"):
            continue
        if case.spoilt.startswith("fill"):
            kinds.add("fill")
            continue
        bad = [descriptor.problem(d, config) for d in case.descriptors()]
        window = -(-case.window_words // 64) * 64
        places = ("mem_offset", "param_offset", "table_offset")
        outside = any(d[k] >= window for d in case.descriptors() for k in places)
        kinds.add("rule" if any(bad) else "window")
        assert any(bad) or outside, case.spoilt
    assert kinds == {"fill", "rule", "window"}


def test_shrinking():
    """A failure that needs one kind of layer keeps that and little else."""
    case = next(c for c in map(make_case, range(500)) if not c.spoilt and len(c.descriptors()) > 6 and any(
        d["kernel"] == 5 and d["opcode"] == 1 for d in c.descriptors()))

    def fails(c):
        return "broken" if any(d["kernel"] == 5 and d["opcode"] == 1 for d in c.descriptors()) else None
    small = shrink(case, fails)
    (line,) = small.descriptors()
    assert line["kernel"] == 5 and line["out_h"] == line["in_w"] == line["out_blocks"] == 1
    assert small.memory == "ideal" and not small.stalls and not small.entries


@pytest.mark.verilator
def test_a_planted_difference_is_found_and_kept(tmp_path, monkeypatch):
    """The golden model is made wrong: the fuzzer notices, and what it keeps still shows it."""
    from nigiri.model import machine

    right = machine.Machine._store
    monkeypatch.setattr(machine.Machine, "_store", lambda self, window, d: right(
        self, window, d | {"mem_offset": d["mem_offset"], "in_base": d["in_base"] ^ 8}))
    data, failures = fuzz(60, first=7, configs=("tiny",), most_failures=1, folder=tmp_path)
    assert data["failures"] == 1 and "bytes of the window differ" in failures[0].text
    kept = Case.from_json(next(tmp_path.glob("seed_*.json")).read_text())
    bench = Bench()
    assert "bytes of the window differ" in bench.afresh(kept)
    monkeypatch.undo()
    assert bench.afresh(kept) is None
    bench.close()


def test_coverage_counts():
    seen = Functional()
    case = next(c for c in map(make_case, range(100)) if not c.spoilt and c.entries)
    seen.see(case)
    cross, pairs = seen.goals()
    assert set(seen.cross) <= cross and set(seen.pairs) <= pairs and seen.summary()["layers"] > 0
    assert replace(case, entries=()).entries == () and residency.unpack(case.entries[0])["magic"] == residency.MAGIC


@pytest.mark.verilator
def test_commands(capsys, tmp_path):
    assert main(["verify", "programs", "--seconds", "2", "--config", "tiny", "--first", "40", "--keep",
                 str(tmp_path)]) == 0
    assert "programs from seed 40" in capsys.readouterr().out
    assert main(["verify", "programs", "--config", "none"]) == 2
    assert main(["verify", "soak", "--queries", "60"]) == 0
    assert "60 queries, 0 wrong" in capsys.readouterr().out
    assert main(["verify", "mutation", "--root", str(tmp_path)]) == 2
    assert "run this in a checkout of the repository" in capsys.readouterr().err


def test_products_are_among_what_is_run_and_refused():
    """Of 400 programs: every way of breaking the rules of products, and products of both forms with what follows."""
    rules, seen = set(), Functional()
    for seed in range(400):
        case = make_case(seed)
        problems = [descriptor.problem(d, get_config(case.config)) for d in case.descriptors()]
        rules |= {p.split(" of ")[0] for p in problems if p and ("product" in p)}
        if not case.spoilt:
            seen.see(case)
    assert rules == {"a product needs a dense layer", "flag transpose needs flag product"}
    kinds = {kind for _, kind, *_ in seen.cross}
    assert kinds == {"dense", "depthwise", "maximum", "product", "product transpose"}
    assert {split for name, kind, _, _, split, _ in seen.cross if kind == "product transpose"} == {0, 1, 2}
