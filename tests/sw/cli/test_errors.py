"""What is refused: one line on stderr that says what to do, exit code 2, nothing on stdout."""
from __future__ import annotations

import re

import pytest
from cli_helpers import call

from nigiri.cli import extras
from nigiri.cli.extras import MissingExtra, need

TOY = "TOY"                     # replaced by the path of the toy bundle


@pytest.mark.parametrize(("arguments", "message"), [
    (["info", "--bundle", "nowhere.nigiri"], r"there is no bundle at nowhere\.nigiri: check the path, or export one"),
    (["inspect", "nowhere.nigiri"], r"there is no bundle at nowhere\.nigiri: check the path, or export one"),
    (["inspect", TOY, "--config", "big"], r"unknown configuration 'big': choose one of .*"),
    (["run", "demo", "cifar512:0"], r"the network must be BUNDLE:SUBNET, for example demo:max, not 'demo'"),
    (["run", f"{TOY}:huge", "cifar512:0"], r"bundle '.*' has no SubNet 'huge': choose one of min, max, mid"),
    (["run", f"{TOY}:min", "cifar512:512"], r"cifar512 has images 0 to 511, not '512'"),
    (["run", f"{TOY}:min", "cifar512:-1"], r"cifar512 has images 0 to 511, not '-1'"),
    (["run", f"{TOY}:min", "no.png"], r"there is no image 'no\.png': give a \.png, \.jpg or \.npy file, or cifar512:N"),
    (["run", f"{TOY}:min", TOY], r".* cannot be read as an image: .*"),
    (["run", f"{TOY}:min", "cifar512:0", "--device", "gpu"], r"unknown device 'gpu': choose rtl or golden"),
    (["run", f"{TOY}:min", "cifar512:0", "--config", "big"],
     r"unknown configuration 'big': choose one of tiny, small, pynq_z2, kv260, zcu104, sushi_zcu104, sushi_u50"),
    (["run", f"{TOY}:min", "cifar512:0", "--memory", "fast"],
     r"unknown memory setting 'fast': choose one of ddr3_z2, .*"),
    (["bench", "network", f"{TOY}:min", "--cache", "all"], r"--cache must be none or best, not 'all'"),
    (["verilog", "--config", "big", "-o", "x"], r"unknown configuration 'big': choose one of .*"),
    (["demo", "--bundle", TOY, "--device", "gpu"], r"unknown device 'gpu': choose rtl or golden"),
    (["demo", "--bundle", TOY, "--device", "golden", "--goal", "fast"],
     r"goal must be 'strict_accuracy' or 'strict_latency', not 'fast'"),
    (["demo", "--bundle", TOY, "--device", "golden", "--period", "0"], r"period must be at least 1 query, not 0"),
    (["demo", "--bundle", TOY, "--device", "golden", "--jobs", "0"], r"jobs must be at least 1, not 0"),
    (["demo", "--bundle", TOY, "--device", "golden", "--queries", "0"],
     r"queries, phase, levels and images must each be .*"),
])
def test_one_line_and_exit_code_2(capsys, toy, tmp_path, monkeypatch, arguments, message):
    arguments = [a.replace(TOY, str(toy)) for a in arguments]
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert re.fullmatch(f"nigiri: {message}", lines[-1]), err
    assert not any("Traceback" in line for line in lines)


def test_corrupt_bundle(capsys, tmp_path):
    path = tmp_path / "bad.nigiri"
    path.write_bytes(b"PK not really")
    code, out, err = call(capsys, "info", "--bundle", path)
    assert (code, out) == (2, "") and err.startswith(f"nigiri: {path} is not a Nigiri bundle")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--accuracy", "99"], r"no SubNet reaches 99\.00 % accuracy: the best is 'max' with 90\.00 %; ask for less, .*"),
    (["--goal", "strict_latency", "--latency", "0.001"],
     r"no SubNet answers within 0\.001 ms: the fastest is 'min' with 0\.\d+ ms while the cache holds "
     r"'.*'; allow more .*"),
])
def test_unreachable_targets(capsys, toy, tmp_path, arguments, message):
    code, out, err = call(capsys, "demo", "--bundle", toy, "--device", "golden", "--queries", "4", "--out",
                          tmp_path / "demo", *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(f"nigiri: {message}", err.splitlines()[-1]), err


def test_unknown_option_is_a_usage_error(capsys):
    code, out, err = call(capsys, "info", "--nonsense")
    assert (code, out) == (2, "") and "--nonsense" in err


def test_missing_packages_name_the_extra(monkeypatch):
    with pytest.raises(MissingExtra, match=r"^this command needs the package 'no_such_module', which is not installed: "
                                           r"run pip install 'nigiri\[sim\]'$"):
        need("no_such_module.part", "sim")
    assert extras.need("json", "cli").loads("1") == 1


def test_missing_typer_is_explained(capsys, monkeypatch):
    def refuse(name):
        raise ModuleNotFoundError("No module named 'typer'", name="typer")

    monkeypatch.setattr(extras.importlib, "import_module", refuse)
    code, _, err = call(capsys, "info")
    assert (code, err) == (2, "nigiri: this command needs the package 'typer', which is not installed: "
                              "run pip install 'nigiri[cli]'\n")
