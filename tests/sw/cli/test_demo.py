"""The demonstration on the golden device: report, files, stored latency table, and what it refuses to show."""
from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from cli_helpers import call

from nigiri import bundle
from nigiri.demo.check import GoldenCheck, GoldenMismatch
from nigiri.demo.latencies import latency_table
from nigiri.demo.server import DeviceServer
from nigiri.demo.setup import Setup
from nigiri.energy import ENERGY, EnergyError, energy_for_memory, energy_mj, get_energy
from nigiri.sched import Query, serve, summarise
from nigiri.sched.drain import DrainFit
from nigiri.sched.slack import Clipper, MaxBatch, SlackFit
from nigiri.spec import get_config, get_memory

KEYS = {"mean_latency_ms", "p99_latency_ms", "served_accuracy", "dram_bytes", "energy_mj"}


@pytest.fixture(scope="module")
def setup(toy):
    images, labels = bundle.demo_images()
    return Setup.of(bundle.load(toy), get_config("pynq_z2"), get_memory("ddr3_z2"), "golden", images, labels)


def demo(capsys, toy, folder, *more):
    return call(capsys, "demo", "--bundle", toy, "--device", "golden", "--queries", "16", "--subgraphs", "4", "--out",
                folder / "demo", "--json", folder / "report.json", *more)


@pytest.mark.parametrize("goal", ["strict_accuracy", "strict_latency"])
def test_report_and_files(capsys, toy, tmp_path, goal):
    code, out, err = demo(capsys, toy, tmp_path, "--goal", goal, "--distance", "saving")
    data = json.loads((tmp_path / "report.json").read_text())
    assert code == 0
    assert list(data["policies"]) == ["sushi", "fixed", "none"]
    for p in data["policies"].values():
        assert set(p) >= KEYS
        assert p["dram_bytes"]["total"] == sum(v for k, v in p["dram_bytes"].items() if k != "total")
        assert {"weights", "fill", "tables", "act_in", "act_out", "descriptors"} <= set(p["dram_bytes"])
        assert p["p99_latency_ms"] >= p["mean_latency_ms"] > 0
        assert p["accuracy_met" if goal == "strict_accuracy" else "latency_met"] == 100
    none, sushi = data["policies"]["none"], data["policies"]["sushi"]
    assert none["dram_bytes"]["fill"] == none["pb_bytes"] == 0
    assert sushi["pb_bytes"] > 0 and sushi["dram_bytes"]["fill"] > 0
    assert sushi["dram_bytes"]["total"] < none["dram_bytes"]["total"]
    assert data["checked_inferences"] == 48
    assert "off-chip: total" in out and "all equal to the golden model" in out
    assert "SUSHI" in err and "16/16" in err
    assert err.count("| SubNet | cached SubGraph | latency | mean | PB hits | top-1") == 1
    names = {p.name for p in (tmp_path / "demo").iterdir()}
    assert names == {"demo.json", "latency_table.json", "policies.png", "timeline.png"}
    assert json.loads((tmp_path / "demo" / "demo.json").read_text()) == data


def test_same_seed_same_results(capsys, toy, tmp_path):
    reports = []
    for name, jobs in (("a", "1"), ("b", "3")):
        assert demo(capsys, toy, tmp_path / name, "--jobs", jobs)[0] == 0
        reports.append(json.loads((tmp_path / name / "report.json").read_text())["policies"])
    assert reports[0] == reports[1]


def test_latency_table_is_stored_checked_and_measured_again(setup, tmp_path):
    graphs, notes = setup.work.candidates(4), []
    first = latency_table(setup, graphs, tmp_path, jobs=2, note=notes.append)
    path, = tmp_path.iterdir()
    assert notes == [] and first.source["config"] == "pynq_z2" and first.source["memory"] == "ddr3_z2"
    assert {o for row in first.origin for o in row} == {"roofline"}
    again = latency_table(setup, graphs, tmp_path, note=notes.append)
    assert np.array_equal(again.cycles, first.cycles) and "measured again" in notes[0]
    data = json.loads(path.read_text())
    data["cycles"] = [[c + 1 for c in row] for row in data["cycles"]]
    path.write_text(json.dumps(data))
    third = latency_table(setup, graphs, tmp_path, note=notes.append)
    assert np.array_equal(third.cycles, first.cycles) and "does not agree" in notes[1]
    path.write_text("{")
    assert np.array_equal(latency_table(setup, graphs, tmp_path, note=notes.append).cycles, first.cycles)
    assert "not a latency table" in notes[2]


def test_wrong_logits_are_not_shown(setup):
    check = GoldenCheck(setup)
    with setup.engine_on(setup.open()) as engine:
        logits = engine.infer("min", setup.images[3]).logits
    check("min", 3, logits)
    check("min", 3, logits)
    assert check.checked == 2
    with pytest.raises(GoldenMismatch, match=r"^the golden device and the golden model differ on SubNet 'min', "
                                             r"image 3: \[.*\] and \[.*\]; this is a defect, please report it$"):
        check("min", 3, logits + 1)


def test_energy():
    ddr3 = energy_for_memory("ddr3_z2")
    parts = energy_mj(ddr3, dram_bytes=10**6, pb_bytes=10**6, macs=10**9)
    assert parts["dram"] == pytest.approx(0.56) and parts["pb"] == pytest.approx(0.0025)
    assert parts["mac"] == pytest.approx(0.23)
    assert parts["total"] == pytest.approx(sum(v for k, v in parts.items() if k != "total"))
    assert [ENERGY[n].dram_pj_per_bit for n in ("lpddr4", "ddr4", "ddr3")] == [8, 20, 70]
    assert energy_for_memory("ddr4") is energy_for_memory("slow") is get_energy("ddr4")
    with pytest.raises(EnergyError, match=r"^unknown energy constants 'hbm': choose one of lpddr4, ddr4, ddr3$"):
        get_energy("hbm")


def test_the_simulators_policies_drive_a_device(setup):
    graphs = setup.work.candidates(3)
    table = setup.work.table(graphs, setup.work.estimate, origin="roofline")
    batched = dataclasses.replace(table, batches=(1, 2, 4), batch_cycles=table.cycles[:, :1] * np.array([1, 2, 4]))
    slo = 12e-3 * table.latency_ms(2, 0)
    queries = [Query(image=n % 4, arrival_s=1e-6 * n, deadline_s=1e-6 * n + slo) for n in range(12)]
    for policy in (SlackFit(), DrainFit(1), MaxBatch(), Clipper(table.subnets[0].name)):
        check = GoldenCheck(setup)
        server = DeviceServer(setup, batched, check)
        served = serve(queries, policy, batched, server, order="deadline")
        server.close()
        summary = summarise(served, batched, setup.labels.tolist())
        assert check.checked == len([s for s in served if not s.refused]) > 8
        assert summary.top1 is not None and summary.deadline_met > 60
        launches = [s for s in served if s.first]
        assert sum(len(s.execution.labels) for s in launches) == check.checked
        if policy.name in ("SlackFit", "MaxBatch"):
            assert any(len(s.execution.labels) > 1 for s in launches)
