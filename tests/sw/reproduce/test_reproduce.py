"""Comparisons and sweeps, on networks that compile in a moment."""
from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nigiri.cli import main
from nigiri.compiler.toy_image import toy_image_network
from nigiri.reproduce import run
from nigiri.reproduce.machines import machine_at, without_pb
from nigiri.reproduce.plots import plot_sweep
from nigiri.reproduce.published import ENGINE_MS, LAYERS_3X3
from nigiri.reproduce.store import Store
from nigiri.reproduce.sushi_accel import sgs_row
from nigiri.reproduce.sweep import points, read_done, sweep
from nigiri.runtime.errors import BadArgument
from nigiri.spec import CONFIGS, get_config
from nigiri.spec.memory import default_memory


@pytest.fixture
def toy(monkeypatch):
    """`toy:large` in place of the networks of the zoo."""
    network = toy_image_network(0)
    nets = tuple(replace(s, info=replace(s.info, macs=10**6)) for s in network.subnets)
    run.compiled_for.cache_clear()
    monkeypatch.setattr(run, "_network", lambda name: replace(network, subnets=nets))
    yield "toy:large"
    run.compiled_for.cache_clear()


def test_published_facts():
    assert list(ENGINE_MS) == list("ABCDEF") and len(LAYERS_3X3) == 21
    assert sum(r[5] for r in LAYERS_3X3) == pytest.approx(44.35, abs=0.01)
    assert sum(r[6] for r in LAYERS_3X3) == pytest.approx(35.72, abs=0.01)


@pytest.mark.parametrize("name", [n for n in CONFIGS if CONFIGS[n].pb_words])
def test_the_same_memory_without_pb(name):
    config = get_config(name)
    plain = without_pb(config)
    assert plain.pb_words == 0 and plain.lanes == config.lanes and plain.digest() != config.digest()
    assert 0.7 <= plain.db_words / (config.db_words + config.pb_words) <= 1.42


def test_machine_at():
    assert machine_at("zcu104@200").clock_mhz == 200 and machine_at("zcu104") is get_config("zcu104")
    with pytest.raises(BadArgument, match="must be a number of MHz, not 'fast'"):
        machine_at("zcu104@fast")


def test_sgs(toy):
    row = sgs_row(toy, "zcu104@200", "model", lambda text: None)
    assert row["config"] == "zcu104" and row["clock_mhz"] == 200
    assert 0 < row["offchip_energy_saved"] < row["weight_energy_saved"] <= 1
    assert row["latency_gain"] == pytest.approx(1 - row["cycles"] / row["cycles_without_pb"])
    assert row["cycles"] <= row["cycles_empty_pb"]


def test_sweep_goes_on_where_it_stopped(toy, tmp_path):
    wanted = points([toy], "zcu104", [16, 32], [0, 512], [4.8])
    path, steps = tmp_path / "points.jsonl", []
    first = sweep(wanted[:2], path)
    with path.open("a") as file:
        file.write('{"network": "toy:l')                          # killed while it wrote
    rows = sweep(wanted, path, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(2, 4), (3, 4), (4, 4)] and rows[:2] == first
    assert len(read_done(path)) == 4
    assert all(r["cycles"] > 0 and 0 < r["utilization"] < 1 for r in rows)
    plot_sweep(rows, tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_sweep_refuses(toy, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text("one\ntwo\n")
    with pytest.raises(BadArgument, match="line 1, is no point of a sweep: give another file"):
        sweep([], path)
    with pytest.raises(BadArgument, match="jobs must be at least 1, not 0"):
        sweep([], tmp_path / "new.jsonl", jobs=0)


@pytest.mark.parametrize(("arguments", "message"), [
    (["reproduce", "sushi-accel", "--device", "board"], "--device must be model or rtl, not 'board'"),
    (["reproduce", "sushi-accel", "--network", "vgg:A"], "unknown network 'vgg:A'"),
    (["reproduce", "sushi-accel", "--config", "huge"], "unknown configuration 'huge'"),
    (["sweep", "--network", "vgg:A"], "unknown network 'vgg:A'"),
])
def test_refusals(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_json_of_no_networks(monkeypatch, capsys):
    monkeypatch.setattr("nigiri.cli.reproduce.NETWORKS", ())
    assert main(["reproduce", "sushi-accel", "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["sgs"] == [] and got["versus_published"] == [] and got["conditions"]["memory"]


def test_measurements_are_kept(tmp_path):
    path = tmp_path / "build" / "measured.jsonl"
    store = Store(path)
    key = Store.key("toy:large", {"lanes": 2}, [(1, (2, 3, 4))])
    assert key == Store.key("toy:large", {"lanes": 2}, [(1, (2, 3, 4))]) != Store.key("toy:small", {"lanes": 2}, [])
    assert store.get(key) is None
    store.put(key, "toy", [10, 20], 30)
    path.write_text(path.read_text() + '{"key": "cut o')
    assert Store(path).get(key) == ([10, 20], 30)
    path.write_text('{"key": "odd"}\n' + path.read_text())
    with pytest.raises(BadArgument, match="line 1, is no measurement: give another file"):
        Store(path)


@pytest.mark.verilator
def test_a_kept_measurement_is_not_made_again(toy, tmp_path, monkeypatch):
    from nigiri_sim import device

    config = get_config("pynq_z2")
    memory, store = default_memory(config), Store(tmp_path / "m.jsonl")
    first = run.cost(toy, config, memory, {}, "rtl", store=store)
    assert first.cycles == pytest.approx(run.cost(toy, config, memory, {}).cycles, rel=0.02)
    monkeypatch.setattr(device, "RtlDevice", None)
    assert run.cost(toy, config, memory, {}, "rtl", store=Store(tmp_path / "m.jsonl")) == first
