"""The Python examples of the documentation and the README run as they stand, each page in one namespace."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
         if "_generated" not in p.parts and "_build" not in p.parts and BLOCK.search(p.read_text())]


def test_there_are_examples():
    assert len(PAGES) >= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, namespace = page.read_text(), {"__name__": "example"}
    monkeypatch.setenv("NIGIRI_DEVICE", "sim:pynq_z2:golden")
    if "nigiri.connect(" in text:
        pytest.importorskip("pynq")
    if "import torch\n" in text:
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)            # faster on small tensors, and tests run side by side
    for block in BLOCK.finditer(text):
        line = text[:block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(page), "exec"), namespace)
