"""`nigiri compile`: what it prints, for people and as JSON."""
from __future__ import annotations

import json

import pytest
from cli_helpers import call

ROW = {"name", "kind", "source", "result", "split", "images", "bands", "cycles", "weight_bytes", "act_bytes", "bound",
       "why"}


def test_explain_json(capsys, toy):
    code, out, err = call(capsys, "compile", f"{toy}:max", "--config", "kv260", "--explain", "--json")
    data = json.loads(out)
    assert code == 0 and err == f"compiling {toy}:max for kv260, memory ddr4\n"
    assert (data["config"], data["memory"]) == ("kv260", "ddr4") and data["image_bytes"] < data["window_bytes"]
    (subnet,) = data["subnets"]
    assert subnet["subnet"] == "max" and subnet["cycles"] == sum(r["cycles"] for r in subnet["layers"])
    assert all(set(r) == ROW for r in subnet["layers"])
    assert [r["name"] for r in subnet["layers"]][:3] == ["input", "stem", "dw1"]
    assert 0 < subnet["utilization"] < 1


def test_summary(capsys, toy):
    code, out, _ = call(capsys, "compile", f"{toy}:min", "--config", "zcu104", "--memory", "slow", "--json")
    data = json.loads(out)
    assert code == 0 and data["memory"] == "slow"
    assert set(data["subnets"][0]) == {"subnet", "config", "batch", "macs", "cycles", "utilization", "ab_words"}


def test_a_batch(capsys, toy):
    code, out, _ = call(capsys, "compile", f"{toy}:max", "--config", "kv260", "--batch", "4", "--explain", "--json")
    data = json.loads(out)
    (subnet,) = data["subnets"]
    assert code == 0 and data["batch"] == subnet["batch"] == 4
    assert {r["images"] for r in subnet["layers"]} == {4} and {r["bands"] for r in subnet["layers"]} == {1}
    _, single, _ = call(capsys, "compile", f"{toy}:max", "--config", "kv260", "--json")
    assert subnet["macs"] == 4 * json.loads(single)["subnets"][0]["macs"]
    code, out, _ = call(capsys, "compile", f"{toy}:max", "--config", "kv260", "--batch", "4", "--explain")
    assert code == 0 and "an image of 4" in out and "images" in out


def test_for_people(capsys, toy):
    code, out, _ = call(capsys, "compile", f"{toy}:mid", "--explain")
    assert code == 0
    assert all(word in out for word in ("cycles predicted", "depthwise 5x5 s2", "bound by"))
    code, out, _ = call(capsys, "compile", f"{toy}:mid")
    assert code == 0 and "cycles predicted" in out and "bound by" not in out


def test_a_network_of_the_zoo(capsys):
    code, out, _ = call(capsys, "compile", "ofa_resnet50:A", "--config", "kv260", "--explain", "--json")
    rows = {r["name"]: r for r in json.loads(out)["subnets"][0]["layers"]}
    assert code == 0 and rows["maxpool"]["kind"] == "maximum 3x3 s2" and rows["s1.b0.avg"]["kind"] == "average 3x3 s2"


@pytest.mark.parametrize("arguments,message", [
    (("nowhere:max",), "nigiri: there is no bundle at nowhere: check the path, or export one"),
    (("ofa_resnet50:Z",), "nigiri: unknown SubNet 'Z' of ofa_resnet50: choose one of A, B, C, D, E, F"),
    (("demo:max", "--config", "huge"), "nigiri: unknown configuration 'huge': choose one of tiny, "),
    (("demo:max", "--batch", "17"), "nigiri: a batch must have 1 to 16 images, not 17"),
    (("demo:max", "--config", "tiny"), "has 28 layers, the residency table of configuration 'tiny' has 16 entries")])
def test_refusals(capsys, arguments, message):
    code, out, err = call(capsys, "compile", *arguments)
    assert code == 2 and out == "" and message in err
