"""`nigiri pareto` and `nigiri predictor`: what they print and write, and what they refuse."""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from cli_helpers import call

from nigiri import zoo
from nigiri.search.predictor import save_safetensors

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))
from search_helpers import random_state

RESNET, MOBILENET = "RESNET", "MOBILENET"           # replaced by paths of random predictors


@pytest.fixture(scope="session")
def predictors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictors")
    for kind in ("resnet", "mobilenet"):
        save_safetensors(folder / f"{kind}.safetensors", random_state(kind))
    return {RESNET: str(folder / "resnet.safetensors"), MOBILENET: str(folder / "mobilenet.safetensors")}


@pytest.fixture(scope="session")
def out_folder(tmp_path_factory):
    """One folder for all searches: costs are computed once."""
    return tmp_path_factory.mktemp("pareto")


def test_pareto(capsys, out_folder, predictors):
    tmp_path = out_folder
    arguments = ["pareto", "ofa_mbv3_w10", "--predictor", predictors[MOBILENET], "--evaluations", 6, "--population", 4,
                 "--no-random", "--out", tmp_path, "--jobs", 1]
    code, out, err = call(capsys, *arguments, "--json")
    data = json.loads(out)
    assert code == 0 and "of ofa_mbv3_w10 it says the order, not the accuracy" in err
    assert data == json.loads((tmp_path / "pareto.json").read_text())
    assert (data["network"], data["config"], data["memory"], data["cache"]) == ("ofa_mbv3_w10", "kv260", "ddr4", "none")
    assert len(data["compared"]["SubNets of the zoo"]) == 10
    assert (tmp_path / "pareto.png").read_bytes()[:4] == b"\x89PNG"
    lines = (tmp_path / "points.jsonl").read_text()
    code, out, _ = call(capsys, *arguments)                     # for people, and nothing is computed again
    assert code == 0 and (tmp_path / "points.jsonl").read_text() == lines
    assert "hypervolume" in out and f"{tmp_path}/pareto.json:{data['subnets'][-1]['name']} --config kv260" in out
    # the file is a file of SubNets
    family, choices = zoo.read_subnets(tmp_path / "pareto.json")
    assert family.name == "ofa_mbv3_w10" and list(choices) == [x["name"] for x in data["subnets"]]


def test_compile_of_a_subnet_in_a_file(capsys, tmp_path, monkeypatch):
    from nigiri.search.cost import cost_of
    from nigiri.spec import get_config
    from nigiri.spec.memory import default_memory

    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    space = zoo.space_of(zoo.parse("ofa_mbv3_w10")[0])
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"network": "ofa_mbv3_w10",
                                "subnets": [{"name": "x", "config": space.to_json(space.smallest())}]}))
    code, out, _ = call(capsys, "compile", f"{path}:x", "--config", "kv260", "--json")
    assert code == 0 and json.loads(out)["descriptors"].keys() == {"x"}
    code, out, _ = call(capsys, "profile", f"{path}:x", "--config", "kv260", "--json")
    config = get_config("kv260")
    want = cost_of(zoo.parse("ofa_mbv3_w10")[0], space.smallest(), config, default_memory(config)).cycles
    assert code == 0 and json.loads(out)["cycles"] == want


def test_proxy(capsys, out_folder):
    tmp_path = out_folder
    code, out, _ = call(capsys, "pareto", "ofa_mbv3_w10", "--proxy", "macs", "--evaluations", 4, "--population", 4,
                        "--no-random", "--out", tmp_path, "--objective", "weights", "--jobs", 1)
    assert code == 0 and "score: log2 of MMAC (a proxy, not an accuracy)" in out


def test_predictor_check(capsys, predictors):
    code, out, _ = call(capsys, "predictor", "check", predictors[RESNET])
    assert code == 0 and "offset of 3 to 6 points is expected" in out and "6 configurations: mean absolute error" in out
    code, out, _ = call(capsys, "predictor", "check", predictors[RESNET], "--json")
    assert code == 0 and [r["name"] for r in json.loads(out)["groups"]["ofa_resnet50"]["rows"]] == list("ABCDEF")


def test_predictor_check_of_mobilenet(capsys, tmp_path, predictors):
    space = zoo.space_of(zoo.parse("ofa_mbv3_w10")[0])
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({json.dumps(space.to_json(c)): 75 for c in (space.smallest(), space.largest())}))
    code, out, _ = call(capsys, "predictor", "check", predictors[MOBILENET], "--pairs", pairs)
    assert code == 0 and "ofa_mbv3_w10 (pairs.json): another SuperNet than the predictor's" in out
    assert "2 configurations" in out


def test_predictor_convert(capsys, tmp_path, predictors):
    torch = pytest.importorskip("torch")
    torch.save({k: torch.from_numpy(v) for k, v in random_state("resnet").items()}, tmp_path / "p.pth")
    code, _, err = call(capsys, "predictor", "convert", tmp_path / "p.pth", tmp_path / "p.safetensors")
    assert code == 0 and err.endswith("p.safetensors: 1385 KiB\n")
    assert (tmp_path / "p.safetensors").read_bytes() == Path(predictors[RESNET]).read_bytes()


@pytest.mark.parametrize(("arguments", "message"), [
    (["pareto", "vgg"], r"unknown network 'vgg': choose one of ofa_resnet50, .*"),
    (["pareto", "ofa_mbv3_w12:min"], r"a SuperNet is searched, not one of its SubNets: give ofa_mbv3_w12"),
    (["pareto", "ofa_mbv3_w12"],
     r"no accuracy predictor is part of Nigiri: give --predictor FILE or URL \(that of Once-for-All: "
     r"https://\S+/acc_predictor\.pth\), or rank by multiply-accumulates with --proxy macs"),
    (["pareto", "ofa_resnet50"], r"no accuracy predictor is .* https://\S+/ofa_resnet50_acc_predictor\.pth\), or .*"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "luck"], r"unknown proxy 'luck': choose macs"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "macs", "--predictor", MOBILENET],
     r"give --predictor or --proxy, not both"),
    (["pareto", "ofa_mbv3_w12", "--predictor", RESNET],
     r"this predictor is for ofa_resnet50, not for ofa_mbv3_w12: give the predictor of that SuperNet, or --proxy macs"),
    (["pareto", "ofa_mbv3_w12", "--predictor", "no.safetensors"], r"there is no predictor at no\.safetensors .*"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "macs", "--cache", "all"], r"--cache must be none or best, not 'all'"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "macs", "--evaluations", "3"], r"evaluations must be at least .*"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "macs", "--config", "big"], r"unknown configuration 'big': .*"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "macs", "--jobs", "0"], r"jobs must be at least 1, not 0"),
    (["pareto", "ofa_mbv3_w12", "--proxy", "macs", "--published", "."], r"\. has no MobileNetV3 with its top-1 .*"),
    (["predictor", "check", MOBILENET],
     r"the configurations of MobileNetV3 are not part of Nigiri: give --published FOLDER of the specialised networks "
     r"of Once-for-All, or --pairs FILE"),
    (["predictor", "convert", MOBILENET, "x.npz"], r"the file to write must end with \.safetensors, not 'x\.npz'"),
    (["bench", "network", "no.json:a"], r"there is no file of SubNets at no\.json .*"),
])
def test_refused(capsys, tmp_path, monkeypatch, predictors, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *[predictors.get(a, a) for a in arguments])
    assert (code, out) == (2, "")
    assert re.fullmatch(f"nigiri: {message}", err.splitlines()[-1]), err


def test_without_torch(capsys, tmp_path, monkeypatch):
    from nigiri.cli import extras

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", lambda name: missing("torch") if "supernet" in name
                        else __import__(name, fromlist=["x"]))
    code, _, err = call(capsys, "predictor", "check", "p.pth")
    assert code == 2 and "needs the package 'torch', which is not installed: run pip install 'nigiri[train]'" in err
