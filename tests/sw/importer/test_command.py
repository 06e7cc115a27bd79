"""`nigiri import`."""
import json

import pytest

from nigiri import bundle
from nigiri.cli import main

pytest.importorskip("ai_edge_litert.schema_py_generated")
pytest.importorskip("tflite")

from tflite_builder import Builder


def call(capsys, *arguments) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(a) for a in arguments])
    return code, *capsys.readouterr()


@pytest.fixture
def model(tmp_path):
    b = Builder(6, (12, 12, 3))
    path = tmp_path / "small.tflite"
    path.write_bytes(b.bytes(b.softmax(b.dense(b.reshape(b.mean(b.conv(b.input, 16, 3, 2)), (1, 16)), 4))))
    return path


def test_a_model_becomes_a_bundle(capsys, model, tmp_path):
    out = tmp_path / "made.nigiri"
    code, text, _ = call(capsys, "import", model, "-o", out, "--config", "tiny", "--json")
    data = json.loads(text)
    assert code == 0 and data["macs"] == 6 * 6 * 16 * 27 + 64 and data["cycles"] == min(data["tried"].values())
    assert data["notes"] == ["the soft-maximum at the end is left out: results are logits, the largest wins"]
    loaded = bundle.load(out)
    assert [s.name for s in loaded.subnets] == ["model"] and loaded.network.classes == 4
    assert loaded.facts["source"] == "small.tflite" and loaded.facts["pixel_std"] == 255.0
    code, text, _ = call(capsys, "bench", "network", f"{out}:model", "--config", "tiny", "--device", "golden", "--json")
    assert code == 0


def test_the_report_for_people(capsys, model):
    code, text, _ = call(capsys, "import", model, "--config", "tiny")
    assert code == 0 and model.with_suffix(".nigiri").exists()
    assert "2 layers, 0.02 MMAC" in text and "pixels: the model sees (value - 0) / 255" in text


def test_operators_are_listed(capsys):
    code, text, _ = call(capsys, "import", "--list-operators")
    assert code == 0 and "DEPTHWISE_CONV_2D" in text and "GlobalAveragePool" in text


def test_a_model_must_be_named(capsys):
    code, _, err = call(capsys, "import")
    assert code == 2 and err.strip() == "nigiri: name a model, for example nigiri import model.tflite -o model.nigiri"
