"""The serving experiments on shortened inputs: their claims, their pictures, their commands."""
from __future__ import annotations

import json

import numpy as np
import pytest

from nigiri.cli import main
from nigiri.reproduce import hybridserve as hybrid
from nigiri.reproduce.machines import machine_at
from nigiri.reproduce.plots_serving import plot_hybridserve, plot_superserve, plot_sushi
from nigiri.reproduce.superserve import Request as SuperServe
from nigiri.reproduce.superserve import gains, superserve
from nigiri.reproduce.sushi_end_to_end import Request as Sushi
from nigiri.reproduce.sushi_end_to_end import sushi_end_to_end
from nigiri.reproduce.workloads import (
    FAMILIES,
    Machine,
    joined,
    load_table,
    networks,
    save_table,
    shipped_table,
)
from nigiri.runtime.errors import BadArgument
from nigiri.sched.errors import TableError


@pytest.fixture(scope="module")
def sushi():
    return sushi_end_to_end(Sushi(families=("mobilenet_v3",), queries=600))


@pytest.mark.parametrize("family", FAMILIES)
def test_shipped_tables(family):
    table, plain = shipped_table(family, "zcu104@300"), shipped_table(family, "zcu104@300-nopb")
    assert [s.name for s in table.subnets] == [s.name for s in plain.subnets] == list(networks(family))
    assert len(table.subgraphs) > 100 and table.batches == (1, 2, 4, 8, 16)
    assert table.source["config"] == "zcu104" and table.capacity == machine_at("zcu104").pb_words
    assert (np.diff(table.accuracies) > 0).all()
    assert (table.batch_cycles[:, 0] == table.cycles[:, 0]).all()
    # A cache never makes a SubNet slower, and a batch is never slower than its images one by one.
    assert (table.cycles <= table.cycles[:, :1] * 1.001).all()
    assert (table.batch_cycles <= np.outer(table.cycles[:, 0], table.batches) * 1.001).all()


@pytest.mark.slow
def test_a_shipped_table_is_what_the_cycle_model_says():
    table = shipped_table("mobilenet_v3_160", "zcu104@300")
    machine = Machine.of("mobilenet_v3_160", "zcu104@300")
    for row, column in ((0, 0), (0, 1), (6, 3), (3, 17)):
        subnet, graph = table.subnets[row], table.subgraphs[column]
        assert machine.cycles(subnet, graph) == table.cycles[row, column]
    assert [g.name for g in machine.work.candidates(8)] == [g.name for g in table.subgraphs[:8]]


def test_tables_come_back(tmp_path):
    table = shipped_table("mobilenet_v3", "zcu104@300").first(3)
    save_table(table, tmp_path / "a.json.gz")
    again = load_table(tmp_path / "a.json.gz")
    assert again.to_json() == table.to_json() and len(again.subgraphs) == 3
    save_table(again, tmp_path / "b.json.gz")
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    (tmp_path / "c").write_bytes(b"no gzip")
    with pytest.raises(TableError, match=r"c cannot be read as a compressed latency table \(.*\): measure it again$"):
        load_table(tmp_path / "c")
    with pytest.raises(TableError, match=r"^no latency table of resnet50 on tiny comes with the package: make one with "
                                         r"nigiri table resnet50 --config tiny$"):
        shipped_table("resnet50", "tiny")
    with pytest.raises(BadArgument, match=r"^unknown family 'vgg': choose one of resnet50, mobilenet_v3, "):
        shipped_table("vgg", "tiny")


def test_joined_tables():
    both = joined([shipped_table(f, "zcu104@300") for f in ("mobilenet_v3_160", "mobilenet_v3")])
    assert len(both.subnets) == 14 and both.subnets[7].name == "A.2" and both.batch_cycles.shape == (14, 5)


def test_sushi_serves_faster_and_no_less_accurately(sushi):
    streams = sushi["families"]["mobilenet_v3"]["streams"]
    assert len(streams) == 6
    for s in streams:
        rows = {r["policy"]: r for r in s["rows"]}
        none, saving, vector, best = (rows[n] for n in ("no PB", "saving", "vector", "optimum"))
        assert saving["mean_latency_ms"] < 0.95 * none["mean_latency_ms"]
        assert saving["offchip_mib"] < 0.7 * none["offchip_mib"]
        assert saving["served_accuracy"] >= none["served_accuracy"]
        if s["goal"] == "strict_accuracy":
            assert saving["accuracy_met"] == 100
            assert saving["mean_latency_ms"] <= vector["mean_latency_ms"]
            assert best["mean_latency_ms"] <= saving["mean_latency_ms"] <= 1.05 * best["mean_latency_ms"]
        else:
            assert saving["latency_met"] == 100


def test_picture_of_sushi(sushi, tmp_path):
    plot_sushi(sushi, tmp_path / "a" / "sushi.png")
    assert (tmp_path / "a" / "sushi.png").stat().st_size > 20_000


def test_superserve(tmp_path):
    d = superserve(SuperServe(families=("resnet50",), seconds=0.5, azure_s=2.0))
    f = d["families"]["resnet50"]
    assert len(f["bursty"]) == len(f["time_varying"]) == 9
    for e in f["bursty"]:
        rows = {r["policy"]: r for r in e["rows"]}
        assert rows["DrainFit"]["attainment"] >= 0.999 and rows["DrainFit"]["accuracy"] > rows["INFaaS"]["accuracy"]
        assert rows["Clipper+ A"]["attainment"] > rows["Clipper+ F"]["attainment"]
    plot_superserve(d, tmp_path / "s.png")
    assert (tmp_path / "s.png").stat().st_size > 20_000


def test_gains_against_fixed_subnets():
    rows = [{"policy": n, "attainment": a, "accuracy": b} for n, a, b in (
        ("SlackFit", 1.0, 77.0), ("INFaaS", 1.0, 74.0), ("Clipper+ B", 0.9995, 75.0), ("Clipper+ C", 0.8, 77.5),
        ("Clipper+ D", 0.4, 79.0), ("Clipper+ E", 0.0, None))]
    assert gains(rows, "SlackFit") == {"accuracy_gained": 2.0, "attainment_times": 1.25}


def test_hybridserve(tmp_path):
    d = hybrid.hybridserve(hybrid.Request(further_seeds=(1,), sizes=(2,), sigmas=1.0))
    assert set(d["caches"]) == {"empty", "min"}
    for c in d["caches"].values():
        best = c["preserved"]
        assert best["against_largest"] >= -0.2 and best["times_lower"] >= 1.8
        assert all(x["identity_error"] < 1e-6 for x in (best, c["optimised"], *c["curve"], *c["splits"]))
        assert c["boards"]["queries_per_s"] > c["boards"]["largest_alone_queries_per_s"]
        energies = [x["energy_mj"] for x in c["static"]]
        assert energies == sorted(energies)
    plot_hybridserve(d, tmp_path / "h.png")
    assert (tmp_path / "h.png").stat().st_size > 20_000


def test_logits_are_those_of_the_shipped_bundle():
    from nigiri import bundle

    codes, labels, names = hybrid.logits()
    infos = {s.name: s for s in bundle.load(bundle.demo_path()).subnets}
    assert names == list(infos) and codes.shape == (10, 10_000, 10)
    for z, name in zip(codes, names, strict=True):
        assert 100 * (z.argmax(axis=1) == labels).mean() == pytest.approx(infos[name].accuracy_int8, abs=0.006)


def test_commands(capsys, tmp_path):
    plot = tmp_path / "p.png"
    assert main(["reproduce", "sushi-end-to-end", "--family", "resnet50", "--queries", "100", "--json", "--plot",
                 str(plot)]) == 0
    assert json.loads(capsys.readouterr().out)["conditions"]["queries"] == 100 and plot.exists()
    assert main(["reproduce", "sushi-end-to-end", "--family", "resnet50", "--queries", "100", "--plot", str(plot)]) == 0
    assert "published, at most: latency -25 to -32 %" in capsys.readouterr().out
    assert main(["reproduce", "superserve", "--family", "resnet50", "--seconds", "0.1", "--azure", "0.5", "--plot",
                 str(plot)]) == 0
    out = capsys.readouterr().out
    assert "SlackFit" in out and "real load, peak 0.9" in out
    assert main(["bench", "scheduler", "--subnets", "5", "--subgraphs", "20", "--decisions", "200", "--queries", "500",
                 "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {"p50", "p99"} <= set(data["decision_us"]) and data["simulator_queries_per_s"] > 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["reproduce", "superserve", "--family", "vgg"], "unknown family 'vgg': choose one of resnet50, mobilenet_v3"),
    (["reproduce", "sushi-end-to-end", "--family", "vgg"], "unknown family 'vgg': choose one of resnet50, "),
    (["reproduce", "sushi-end-to-end", "--machine", "tiny"], "no latency table of resnet50 on tiny comes with the "),
    (["reproduce", "hybridserve", "--calibration", "none"], "calibration must be platt or temperature, not 'none'"),
])
def test_messages(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
