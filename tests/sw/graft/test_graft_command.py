"""`nigiri graft` on the shipped SuperNet, and what it refuses."""
import json

import pytest
from typer.testing import CliRunner

from nigiri.cli.app import app
from nigiri.graft.compare import METHODS


def run(*args):
    return CliRunner().invoke(app, ["graft", *args])


def test_json_is_the_same_again_and_a_table_is_printed():
    args = ("cifar", "--clients", "6", "--at", "30")
    got = json.loads(run(*args, "--json").stdout)
    assert [m["method"] for m in got["methods"]] == [m.name for m in METHODS]
    assert got["fragments"] + got["missed"] == 6
    by = {m["method"]: m for m in got["methods"]}
    assert by["rounds"]["devices"] <= by["alone"]["devices"] and by["graft"]["devices"] <= by["merged"]["devices"]
    again = json.loads(run(*args, "--json").stdout)
    assert [m["devices"] for m in again["methods"]] == [m["devices"] for m in got["methods"]]
    assert "rounds" in run(*args).stdout


@pytest.mark.parametrize(("args", "text"), [(("nothing",), "unknown network"),
                                            (("cifar", "--trace", "no.csv"), "no.csv")])
def test_refuses(args, text):
    got = run(*args)
    assert got.exit_code != 0
    assert text in str(got.exception) + got.output


def test_reads_a_recorded_trace(tmp_path):
    path = tmp_path / "drive.csv"
    path.write_text("time_s,mbit_s\n0,5\n3,0\n4,20\n")
    got = json.loads(run("cifar", "--clients", "4", "--trace", str(path), "--json").stdout)
    assert got["trace"] == str(path)
