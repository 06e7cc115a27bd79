"""Generated tables: complete, and the README shows the results that are stored."""
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from nigiri.spec import CONFIGS, MEMORIES, ErrorCode, descriptor, residency
from nigiri.spec.registers import COUNTERS, REGISTERS

ROOT = Path(__file__).parents[2]
POLICY = {"mean_latency_ms": 2.0, "p99_latency_ms": 3.0, "served_accuracy": 90.0, "energy_mj": 1.5,
          "dram_bytes": {"weights": 1024, "total": 2048}}
SPEED = {"config": "pynq_z2", "memory": "ddr3_z2", "network": "demo:max", "cycles_per_second": 1234567.8}
BENCH = {"config": "pynq_z2", "memory": "ddr3_z2", "cache": "none", "cycles": 200000, "latency_ms": 2.0, "busy": 125000,
         "macs": 1, "mac_units": 256, "utilization": 0.625, "pb_bytes": 0, "bit_exact": True,
         "dram_bytes": {"weights": 1024, "total": 4096}, "stalls": {"weights": 7, "requant": 9}}
INFO = {"bundle": {"subnets": [{"name": "max", "macs": 35_500_000, "weight_bytes": 933_576, "accuracy_int8": 91.0,
                                "accuracy_float": 91.25}]}}


def script(path: str):
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results():
    script("scripts/serving_results.py")
    script("scripts/board_results.py")
    script("scripts/service_results.py")
    script("scripts/verify_results.py")
    for name in ("graft", "hybrid", "split"):
        script(f"scripts/{name}_results.py")
    return script("scripts/results.py")


@pytest.fixture(scope="module")
def readme(results):
    return script("scripts/readme_results.py")


@pytest.fixture(scope="module")
def generate(results):
    return script("docs/generate.py")


def test_every_fact_of_the_specification_has_a_row(generate):
    pages = generate.pages()
    for page, names in {
        "descriptor_fields.md": [f.name for f in descriptor.FIELDS],
        "fill_fields.md": [f.name for f in residency.FIELDS],
        "registers.md": [r.name for r in REGISTERS],
        "counters.md": [name for name, _ in COUNTERS],
        "errors.md": [e.name for e in ErrorCode],
        "configurations.md": list(CONFIGS),
        "memories.md": list(MEMORIES),
        "resources.md": [c.name for c in CONFIGS.values() if c.part],
        "rates.md": list(CONFIGS),
    }.items():
        rows = pages[page].splitlines()[2:]
        assert len(rows) == len(names)
        assert all(any(f"`{name}`" in row for row in rows) for name in names), page


def test_only_changed_pages_are_written(generate, tmp_path):
    generate.generate(tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    generate.generate(tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_every_included_page_is_generated(generate):
    for page in (ROOT / "docs").rglob("*.md"):
        for line in page.read_text().splitlines():
            if "_generated/" in line and line.startswith("```{include}"):
                assert line.rsplit("/", 1)[1] in generate.pages(), page


def test_result_tables(results, tmp_path):
    assert results.tables(tmp_path) == {}
    (tmp_path / "info.json").write_text(json.dumps(INFO))
    (tmp_path / "demo.json").write_text(json.dumps({"policies": {
        "sushi": POLICY | {"mean_latency_ms": 1.0}, "fixed": POLICY, "none": POLICY}}))
    (tmp_path / "bench_max_pynq_z2_none.json").write_text(json.dumps(BENCH))
    (tmp_path / "speed.json").write_text(json.dumps(SPEED))
    network = BENCH | {"network": "ofa_resnet50:A", "tensors_compared": 45, "cycle_model": {
        "total_error": -0.0016, "mean_abs_error": 0.0003, "worst_abs_error": 0.031}}
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "a.json").write_text(json.dumps(network))
    (tmp_path / "sushi_accel.json").write_text(json.dumps({
        "device": "model",
        "versus_published": [{"network": "ofa_resnet50:A", "config": "sushi_zcu104", "ms": 5.4, "published_ms": 10.5,
                              "ratio": 0.514, "utilization": 0.85}],
        "sgs": [{"network": "ofa_mbv3_w10:min", "config": "zcu104", "clock_mhz": 300.0, "mac_per_byte": 40.0,
                 "ms_without_pb": 0.35, "ms": 0.21, "latency_gain": 0.394, "offchip_energy_saved": 0.838}]}))
    (tmp_path / "cycle_model.json").write_text(json.dumps([{
        "config": "tiny", "memory": "ddr3_z2", "cache": "random", "layers": 200, "mean_abs_error": 0.0004,
        "worst_abs_error": 0.012, "total_error": -0.0001}]))
    tables = results.tables(tmp_path)
    assert "| 62.5 % | 4 KiB | 0 KiB | yes, 45 tensors | -0.16 % | 0.03 %, 3.1 % |" in tables["networks"]
    assert "| `ofa_resnet50:A` | 5.40 ms | 10.5 ms | 0.514 | 85.0 % | cycle model |" in tables["published"]
    assert "| `zcu104` at 300 MHz | 40 | 0.350 ms | 0.210 ms | -39.4 % | -83.8 % | cycle model |" in tables["sgs"]
    assert "| `tiny` | `ddr3_z2` | random | 200 | 0.04 % | 1.2 % | -0.01 % |" in tables["model"]
    measured = json.loads((tmp_path / "sushi_accel.json").read_text()) | {"device": "rtl"}
    measured["sgs"][0]["ms"] = 0.214
    (tmp_path / "sushi_accel_rtl.json").write_text(json.dumps(measured))
    assert "| 0.350 ms | 0.214 ms | -39.4 % | -83.8 % | RTL |" in results.tables(tmp_path)["sgs"]
    (tmp_path / "predictor_x.json").write_text(json.dumps({"predictor": "ofa_mbv3_w12", "groups": {"ofa_mbv3_w12": {
        "configurations": 1000, "mean_abs_error": 3.4, "mean_offset": 3.3, "mean_abs_error_without_offset": 0.12,
        "rank_correlation": 0.9}}}))
    subnet = {"name": "f00", "score": 75.0, "cost": 1.5, "ms": 1.5, "mj": 0.25, "macs": 100_000_000,
              "weight_bytes": 2048, "dram_bytes": 4096, "config": {"r": 160, "d": [2, 3]}}
    (tmp_path / "pareto.json").write_text(json.dumps({
        "subnets": [subnet] * 30, "evaluations": 1500, "compared": {"zoo": [subnet]},
        "hypervolume": {"evolution": 6.5, "random search": 5.25, "zoo": 5.0}}))
    (tmp_path / "pareto_rtl_f00.json").write_text(json.dumps(network))
    tables = results.tables(tmp_path)
    assert "| `ofa_mbv3_w12` | ofa_mbv3_w12 | 1,000 | 3.40 | +3.30 | 0.12 | 0.900 |" in tables["predictors"]
    row = "| `f00` | 75.00 % | 1.500 ms | 0.25 mJ | 100 | 2 KiB | 4 KiB | 160 | 2 3 |"
    assert tables["pareto"].count(row) == 12
    assert "| random search | 1,500 | 5.250 |\n| zoo | 1 | 5.000 |" in tables["hypervolume"]
    assert "yes, 45 tensors" in tables["pareto_rtl"]
    assert "| max | 35.5 | 912 KiB | 91.00 % | 91.25 % |" in tables["subnets"]
    assert "| SUSHI | 1.000 ms (-50.0 %) | 3.000 ms | 90.00 % | 2 KiB (+0.0 %) | 1.50 mJ |" in tables["demo"]
    row = "| max | `pynq_z2` | `ddr3_z2` | none | 200,000 |"
    assert f"{row} 2.000 ms | 62.5 % | 4 KiB | 0 KiB | yes |" in tables["bench"]
    assert f"{row} 125,000 | 7 | 9 |" in tables["stalls"]
    assert "| `pynq_z2` | `ddr3_z2` | demo:max | 1,234,568 |" in tables["speed"]


def test_the_stored_front():
    """At least 20 SubNets, better than what it is compared with; the RTL took as long as the front says."""
    folder = ROOT / "docs" / "results"
    search = json.loads((folder / "pareto.json").read_text())
    by_name = {s["name"]: s for s in search["subnets"]}
    assert len(by_name) >= 20 and max(search["hypervolume"], key=search["hypervolume"].get) == "evolution"
    for path in folder.glob("pareto_rtl_*.json"):
        measured = json.loads(path.read_text())
        stored = by_name[measured["network"].rpartition(":")[2]]
        assert measured["bit_exact"] and measured["dram_bytes"]["total"] == stored["dram_bytes"]
        assert stored["cycles"] == pytest.approx(measured["cycles"], rel=0.01)


def test_readme_shows_the_stored_results(readme):
    text = (ROOT / "README.md").read_text()
    assert readme.filled(text) == text, "run scripts/readme_results.py"


def test_every_run_of_the_service_has_its_table(results, generate):
    have = results.tables()
    assert set(generate.SERVICE) <= set(have)
    assert all(x in have["service"] for x in ("| saturation |", "| faults |", "| frequency scaling |", "| Ray Serve |"))
    folder = ROOT / "docs" / "results"
    saturation, faults = (json.loads((folder / f"service_{n}.json").read_text()) for n in ("saturation", "faults"))
    assert saturation["lost"] == saturation["wrong"] == faults["lost"] == faults["wrong"] == 0
    assert saturation["requests_per_s"] >= 1000 and saturation["answered"] == saturation["sent"]


def test_every_serving_experiment_has_its_tables(results, generate):
    have = results.tables()
    assert set(generate.SERVING) <= set(have)
    assert "published" in have["serving"] and "SuperServe, resnet50" in have["serving"]
    assert results.serving_tables(ROOT / "nowhere") == {}
