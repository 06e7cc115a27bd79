"""Both notebooks run from the first cell to the last on a simulated board."""
from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "scripts/run_notebooks.py")
run_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_notebooks)
PATHS = sorted(run_notebooks.NOTEBOOKS.glob("*.ipynb"))


def test_they_are_stored_without_outputs():
    assert [p.stem for p in PATHS] == ["first_inference", "scheduler"]
    for path in PATHS:
        notebook = run_notebooks.nbformat.read(path, as_version=4)
        assert all(not c.get("outputs") and c.get("execution_count") is None for c in notebook.cells)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_notebook(path):
    notebook = run_notebooks.execute(path, "sim:pynq_z2")
    pictures = run_notebooks.figures(notebook)
    assert len(pictures) == 2 and all(p.startswith(b"\x89PNG") for p in pictures)
    shown = ROOT / "docs/img"
    assert {f"notebook_{path.stem}_{n}.png" for n in range(2)} <= {p.name for p in shown.glob("notebook_*.png")}
