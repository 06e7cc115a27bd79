"""Installation: what `make setup` says when something is missing, and that every dependency is pinned."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("g++", "make", "perl", "git")


def setup_with(tmp_path, *, without=(), managers=(), python=None):
    """Run scripts/setup where only some tools exist; it must stop before it installs anything."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in {"bash", "dirname", *TOOLS} - set(without):
        (folder / tool).symlink_to(shutil.which(tool))
    for name in managers:
        (folder / name).symlink_to(shutil.which("true"))
    environment = {"PATH": str(folder)} | ({"PYTHON": python} if python else {})
    command = [shutil.which("bash"), ROOT / "scripts/setup", tmp_path / "stamp"]
    return subprocess.run(command, env=environment, text=True, capture_output=True)


@pytest.mark.parametrize("tool", TOOLS)
def test_missing_tool_is_named_with_its_command(tmp_path, tool):
    done = setup_with(tmp_path, without=[tool], managers=["apt-get"])
    assert (done.returncode, done.stderr) == (1, f"setup: missing: {tool}. Install with: sudo apt install {tool}\n")


@pytest.mark.parametrize(("manager", "command"), [
    ("apt-get", "sudo apt install g++ perl"), ("dnf", "sudo dnf install gcc-c++ perl"),
    ("brew", "brew install gcc perl"), (None, "your package manager, packages: g++ perl")])
def test_command_of_every_package_manager(tmp_path, manager, command):
    done = setup_with(tmp_path, without=["g++", "perl"], managers=[manager] if manager else [])
    assert done.stderr == f"setup: missing: g++ perl. Install with: {command}\n"


def test_missing_python(tmp_path):
    done = setup_with(tmp_path, managers=["apt-get"], python="no-such-python")
    assert done.stderr == ("setup: no Python 3.10 or newer found. Install one with: "
                           "sudo apt install python3 python3-venv\n")
    assert done.returncode == 1


def test_every_dependency_is_pinned():
    text = re.sub(r"#.*", "", (ROOT / "pyproject.toml").read_text())
    section = re.search(r"^dependencies = .*?(?=^\[project\.scripts\])", text, re.MULTILINE | re.DOTALL)[0]
    names = {re.match(r"[\w-]+", r)[0].lower() for r in re.findall(r'"([^"]+)"', section)} - {"nigiri"}
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in pins if "==" in line}
    assert len(names) > 15
    assert names - pinned == set()
