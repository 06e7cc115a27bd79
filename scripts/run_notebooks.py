"""Executes the notebooks on a simulated board and saves their figures to docs/img/notebook_NAME_N.png."""
from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "sw/nigiri/notebooks"


def execute(path: Path, device: str) -> nbformat.NotebookNode:
    """The notebook with its outputs; raises CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute(env={**os.environ, "NIGIRI_DEVICE": device})
    return notebook


def figures(notebook: nbformat.NotebookNode) -> list[bytes]:
    """The last picture of every cell that shows one."""
    out = []
    for cell in notebook.cells:
        pictures = [o.data["image/png"] for o in cell.get("outputs", ()) if "image/png" in o.get("data", {})]
        out += [base64.b64decode(pictures[-1])] if pictures else []
    return out


def main(device: str = "sim:pynq_z2") -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        print(f"executing {path.name} on {device}", file=sys.stderr)
        for n, picture in enumerate(figures(execute(path, device))):
            (ROOT / f"docs/img/notebook_{path.stem}_{n}.png").write_bytes(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
