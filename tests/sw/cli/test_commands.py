"""Every command on the golden device: what it prints, and its JSON keys."""
from __future__ import annotations

import json

import numpy as np
import pytest
from cli_helpers import call

from nigiri import __version__, bundle
from nigiri.cli.images import CIFAR10
from nigiri.spec import CONFIGS

BENCH_KEYS = {"cycles", "macs", "mac_units", "utilization", "dram_bytes", "pb_bytes", "stalls", "bit_exact"}
KINDS = {"weights", "tables", "act_in", "act_out", "descriptors", "fill", "total"}


def test_info_json(capsys, toy):
    code, out, err = call(capsys, "info", "--bundle", toy, "--json")
    data = json.loads(out)
    assert (code, err) == (0, "")
    assert data["versions"]["nigiri"] == __version__
    assert set(data["configurations"]) == set(CONFIGS)
    assert [s["name"] for s in data["bundle"]["subnets"]] == ["min", "mid", "max"]
    for s in data["bundle"]["subnets"]:
        assert {"name", "macs", "weight_bytes", "accuracy_int8", "accuracy_float"} <= set(s)


def test_info_for_people(capsys, toy):
    code, out, _ = call(capsys, "info", "--bundle", toy)
    assert code == 0
    assert all(word in out for word in ("pynq_z2", "zcu104", "mid", "85.00 %"))


def test_info_of_the_shipped_bundle(capsys):
    code, out, _ = call(capsys, "info", "--json")
    nets = json.loads(out)["bundle"]["subnets"]
    assert code == 0 and len(nets) >= 7
    assert nets == sorted(nets, key=lambda s: s["macs"])


@pytest.mark.parametrize("cache", ["none", "best"])
@pytest.mark.parametrize("config", ["pynq_z2", "zcu104"])
def test_bench_network(capsys, toy, cache, config):
    code, out, err = call(capsys, "bench", "network", f"{toy}:max", "--config", config, "--cache", cache, "--device",
                          "golden", "--json")
    data = json.loads(out)
    assert code == 0 and "comparing every layer with the golden model" in err
    assert set(data) >= BENCH_KEYS
    assert set(data["dram_bytes"]) == KINDS
    assert data["dram_bytes"]["total"] == sum(v for k, v in data["dram_bytes"].items() if k != "total")
    assert data["mac_units"] == CONFIGS[config].mac_units
    assert data["bit_exact"] is True
    assert (data["pb_bytes"] > 0) == (cache == "best")
    assert data["pb_bytes"] <= 64 * CONFIGS[config].pb_words
    assert set(data["stalls"]) == {"weights", "activations", "requant", "writeback", "descriptor", "other"}


def test_bench_network_of_a_batch(capsys, toy):
    code, out, _ = call(capsys, "bench", "network", f"{toy}:max", "--device", "golden", "--batch", "3", "--json")
    data = json.loads(out)
    single = json.loads(call(capsys, "bench", "network", f"{toy}:max", "--device", "golden", "--json")[1])
    assert code == 0 and data["bit_exact"] and (data["batch"], single["batch"]) == (3, 1)
    assert data["macs"] == 3 * single["macs"] and data["tensors_compared"] == 3 * single["tensors_compared"]
    assert single["dram_bytes"]["weights"] <= data["dram_bytes"]["weights"] < 3 * single["dram_bytes"]["weights"]
    code, out, _ = call(capsys, "bench", "network", f"{toy}:max", "--device", "golden", "--batch", "3")
    assert code == 0 and "per image" in out


def test_bench_network_for_people(capsys, toy):
    code, out, _ = call(capsys, "bench", "network", f"{toy}:min", "--device", "golden")
    assert code == 0 and "bit exact    yes" in out


def test_run_on_a_shipped_image(capsys, toy):
    code, out, err = call(capsys, "run", f"{toy}:min", "cifar512:17", "--device", "golden", "--json")
    data = json.loads(out)
    assert code == 0 and err.startswith("min on golden")
    assert data["true_label"] == int(bundle.demo_images()[1][17])
    assert len(data["logits"]) == 10 and data["class"] == CIFAR10[data["label"]]
    code, out, _ = call(capsys, "run", f"{toy}:min", "cifar512:17", "--device", "golden")
    assert out == f"class {data['label']}: {data['class']} (true class: {CIFAR10[data['true_label']]})\n"


@pytest.mark.parametrize("name", ["image.npy", "image.png"])
def test_run_on_a_file_gives_what_the_shipped_image_gives(capsys, toy, tmp_path, name):
    path, pixels = tmp_path / name, bundle.demo_images()[0][5]
    if name.endswith("npy"):
        np.save(path, pixels)
    else:
        pytest.importorskip("PIL.Image").fromarray(pixels).save(path)
    logits = [json.loads(call(capsys, "run", f"{toy}:max", image, "--device", "golden", "--json")[1])["logits"]
              for image in (path, "cifar512:5")]
    assert logits[0] == logits[1]


def test_run_resizes_a_picture(capsys, toy, tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.new("L", (300, 200)).save(tmp_path / "grey.jpg")
    assert call(capsys, "run", f"{toy}:mid", tmp_path / "grey.jpg", "--device", "golden")[0] == 0


def test_verilog_is_written_once(capsys, tmp_path, monkeypatch):
    build = pytest.importorskip("nigiri_hw.build.verilog")
    monkeypatch.setattr(build, "generate", lambda config: f"module nigiri_{config.name};\nendmodule\n")
    code, out, err = call(capsys, "verilog", "--config", "tiny", "-o", tmp_path / "out")
    path = tmp_path / "out" / "nigiri_tiny.v"
    assert (code, err) == (0, "elaborating tiny\n")
    assert out == f"{path}: 2 lines\n"
    before = path.stat().st_mtime_ns
    call(capsys, "verilog", "--config", "tiny", "-o", tmp_path / "out")
    assert path.stat().st_mtime_ns == before


def test_help_names_every_command(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(name in out for name in ("demo", "info", "run", "bench", "verilog"))


def test_inspect(capsys, toy):
    code, out, _ = call(capsys, "inspect", toy)
    assert code == 0
    for text in ("nigiri-bundle version 3", "checksums verified", "kv260 at 200 MHz, memory ddr4", "90.00 %",
                 "KiB that two SubNets share", "tensors.safetensors", "weights  uint8", "seed: 1"):
        assert text in out


def test_inspect_json(capsys, toy):
    code, out, _ = call(capsys, "inspect", toy, "--config", "pynq_z2", "--json")
    data = json.loads(out)
    assert code == 0 and data["config"] == "pynq_z2" and data["programs_for"]["config"] == "kv260"
    assert [s["name"] for s in data["subnets"]] == ["min", "mid", "max"]
    assert all(s["latency"]["best"]["cycles"] <= s["latency"]["none"]["cycles"] for s in data["subnets"])
