"""Commands on the simulated RTL, in the smallest configuration."""
from __future__ import annotations

import json

import pytest
from cli_helpers import call

from nigiri.spec import CONFIGS

pytestmark = pytest.mark.verilator
RTL = ("--config", "tiny", "--device", "rtl")


def test_run_gives_the_golden_logits(capsys, toy):
    rtl, golden = (json.loads(call(capsys, "run", f"{toy}:mid", "cifar512:9", "--config", "tiny", "--device", device,
                                   "--json")[1]) for device in ("rtl", "golden"))
    assert rtl["logits"] == golden["logits"]
    assert rtl["cycles"] > 0 and golden["cycles"] is None


def test_bench_network_counts_cycles(capsys, toy):
    none, best = (json.loads(call(capsys, "bench", "network", f"{toy}:max", *RTL, "--memory", "slow", "--cache", cache,
                                  "--json")[1]) for cache in ("none", "best"))
    for d in (none, best):
        assert d["bit_exact"] is True
        assert d["busy"] + sum(d["stalls"].values()) == d["cycles"]
        assert d["utilization"] == pytest.approx(d["macs"] / (d["cycles"] * CONFIGS["tiny"].mac_units))
    assert best["cycles"] < none["cycles"]
    assert best["dram_bytes"]["weights"] + best["pb_bytes"] == none["dram_bytes"]["weights"]


def test_bench_network_of_a_batch(capsys, toy):
    """Layers of single images, of groups and of the batch, bit for bit; cycles as predicted."""
    d = json.loads(call(capsys, "bench", "network", f"{toy}:max", *RTL, "--batch", "4", "--json")[1])
    assert d["batch"] == 4 and d["cycles_per_image"] == d["cycles"] / 4
    assert d["bit_exact"] is True and d["tensors_compared"] == 4 * 9
    assert d["cycle_model"]["mean_abs_error"] < 0.02 and d["cycle_model"]["worst_abs_error"] < 0.08


def test_bench_speed(capsys, toy):
    code, out, _ = call(capsys, "bench", "speed", "--config", "tiny", "--network", f"{toy}:min",
                        "--seconds", "0.1", "--json")
    data = json.loads(out)
    assert code == 0 and data["cycles_per_second"] == pytest.approx(data["cycles"] / data["seconds"])


def test_demo_pays_and_is_checked(capsys, toy, tmp_path):
    code, _, err = call(capsys, "demo", "--bundle", toy, "--config", "tiny", "--memory", "slow", "--queries", "24",
                        "--subgraphs", "5", "--jobs", "2", "--out", tmp_path / "demo")
    assert code == 0, err
    data = json.loads((tmp_path / "demo" / "demo.json").read_text())
    sushi, none = data["policies"]["sushi"], data["policies"]["none"]
    assert data["checked_inferences"] == 72 and data["latency_table"]["origin"] == "rtl"
    assert sushi["mean_latency_ms"] < none["mean_latency_ms"]
    assert sushi["dram_bytes"]["total"] < none["dram_bytes"]["total"]
    assert sushi["served_accuracy"] >= none["served_accuracy"]
    table = json.loads((tmp_path / "demo" / "latency_table.json").read_text())
    assert {o for row in table["origin"] for o in row} == {"rtl"}
    assert (table["source"]["config"], table["source"]["memory"]) == ("tiny", "slow")
