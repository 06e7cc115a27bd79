"""Runs the board tests under the releases of pynq that boards have: KV260's 3.0.1, and 4.0.0 (UltraScale+ only).

`make test` does 3.1.2.  Each release gets an environment of its own under build/pynq, with the Python of its image.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMON = ["pycparser<3", "setuptools<=80", "pytest", "pytest-xdist"]
RELEASES = {
    "3.0.1": ("python3.10", ["pynq==3.0.1", "pynqmetadata==0.1.2", "pynqutils==0.1.1", "ipython", "numpy<2"]),
    "4.0.0": ("python3.12", ["pynq==4.0.0", "numpy<2"]),
}


def run(*command: object, **kwargs: object) -> None:
    print("$", *command, file=sys.stderr, flush=True)
    subprocess.run([str(c) for c in command], check=True, cwd=ROOT, **kwargs)


def environment(release: str) -> Path | None:
    """The Python of a release's environment, made if need be; None where its Python version is not installed."""
    name, packages = RELEASES[release]
    there = shutil.which(name) and subprocess.run([name, "--version"], capture_output=True).returncode == 0
    if not there:
        print(f"pynq {release} needs {name}, which is not installed: skipped", file=sys.stderr)
        return None
    folder = ROOT / "build/pynq" / release
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        run(name, "-m", "venv", "--clear", folder)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[sim]", *packages,
            *COMMON)
        (folder / "ready").touch()
    return python


def main(*wanted: str) -> int:
    failed = []
    for release in wanted or RELEASES:
        python = environment(release)
        if python is None:
            failed.append(release)
            continue
        run(python, "-c", "import pynq, sys; print('pynq', pynq.__version__, 'on Python', sys.version.split()[0])")
        # Deprecations of these releases are not ours to mend.
        command = [python, "-m", "pytest", "-q", "-o", "filterwarnings=default", "-p", "no:warnings", "-n", "2",
                   "--dist", "loadfile", "tests/board"]
        if subprocess.run([str(c) for c in command], cwd=ROOT).returncode:
            failed.append(release)
    print("failed: " + ", ".join(failed) if failed else "all passed", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
