"""The dependency rule and the house rules that a linter does not know, read from the source text.

spec <- sw;  spec <- hw <- sim.  The command line and the demo may import the simulator inside a function, so that
everything else in `nigiri` works where Amaranth is not installed.
"""
import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {"nigiri": ROOT / "sw", "nigiri_hw": ROOT / "hw", "nigiri_sim": ROOT / "sim"}
FILES = sorted(path for package, root in SOURCES.items() for path in (root / package).rglob("*.py"))
EVERY_PYTHON_FILE = FILES + sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "scripts").rglob("*.py"))
STDLIB = sys.stdlib_module_names
MAX_LINES = 500
TRAINS = ("nigiri.hybrid.integer", "nigiri.hybrid.model", "nigiri.hybrid.train", "nigiri.split.torch_runner")
"""Besides the packages that train, modules that may import torch."""
EXTRAS = {"torch": ("nigiri.supernet", "nigiri.quant", "nigiri.hybrid.study", *TRAINS),
          "ray": ("nigiri.serving.ray_boards",)}
"""What the tests do without: optional packages, and the modules that need them to be imported at all."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[tuple[str, bool, int]]:
    """(module, at module level, line) of every import in a file; `from nigiri import b` counts as `nigiri.b` too."""
    tree = ast.parse(path.read_text())
    lazy = {id(node) for function in ast.walk(tree) if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for node in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [str(node.module)]
            names += [f"{node.module}.{alias.name}" for alias in node.names if node.module in SOURCES]
        else:
            continue
        found += [(name, id(node) not in lazy, node.lineno) for name in names]
    return found


def within(module: str, *packages: str) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def violations(path: Path) -> list[str]:
    """Imports of a file that the dependency rule forbids."""
    me, out = module_name(path), []
    for module, top_level, line in imports(path):
        root = module.split(".")[0]
        if within(me, "nigiri.spec"):
            ok = root in STDLIB or within(module, "nigiri.spec")
        elif within(me, "nigiri_hw"):
            ok = root in STDLIB or module == "nigiri" or within(module, "amaranth", "nigiri_hw", "nigiri.spec")
        elif within(me, "nigiri_sim"):
            ok = root != "torch"
        else:
            ok = root != "amaranth"
            if root in ("nigiri_hw", "nigiri_sim"):
                ok = not top_level and within(me, "nigiri.cli", "nigiri.demo")
            if root in ("torch", "PIL"):
                ok = within(me, "nigiri.supernet", "nigiri.quant", *TRAINS)
            if root in ("typer", "rich", "matplotlib"):
                ok = within(me, "nigiri.cli", "nigiri.demo", "nigiri.profile", "nigiri.reproduce")
            if root in ("typer", "matplotlib"):        # scripts of the extra `train`, which brings them
                ok = ok or within(me, "nigiri.supernet", "nigiri.quant", *TRAINS)
        if not ok or root in ("pickle", "cPickle", "dill", "shelve", "marshal"):
            out.append(f"{path.relative_to(ROOT)}:{line}: {me} imports {module}")
    return out


def test_there_is_something_to_check():
    assert len(FILES) > 20


@pytest.mark.parametrize("package", SOURCES)
def test_dependency_rule(package):
    assert [v for path in FILES if module_name(path).split(".")[0] == package for v in violations(path)] == []


@pytest.mark.parametrize(("name", "text", "forbidden"), [
    ("sw/nigiri/spec/x.py", "import numpy", "numpy"),
    ("sw/nigiri/spec/x.py", "from nigiri.model import Machine", "nigiri.model"),
    ("hw/nigiri_hw/x.py", "import numpy", "numpy"),
    ("hw/nigiri_hw/x.py", "from nigiri import compiler", "nigiri.compiler"),
    ("sw/nigiri/model/x.py", "import amaranth", "amaranth"),
    ("sw/nigiri/model/x.py", "def f():\n    import nigiri_sim", "nigiri_sim"),
    ("sw/nigiri/cli/x.py", "import nigiri_sim", "nigiri_sim"),
    ("sw/nigiri/runtime/x.py", "import torch", "torch"),
    ("sw/nigiri/bundle.py", "import pickle", "pickle"),
])
def test_the_rule_is_able_to_fail(tmp_path, monkeypatch, name, text, forbidden):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert [v.split()[-1] for v in violations(path)] == [forbidden]


def test_lazy_imports_of_the_simulator_are_allowed_in_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "sw/nigiri/cli/x.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f():\n    import nigiri_sim")
    assert violations(path) == []


def test_hardware_does_not_postpone_annotations():
    """`from __future__ import annotations` breaks amaranth.lib.wiring.Component."""
    assert [str(p) for p in FILES if module_name(p).startswith("nigiri_hw") and any(
        m == "__future__" for m, _, _ in imports(p))] == []


def test_files_are_short():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in EVERY_PYTHON_FILE}
    assert {path: n for path, n in lines.items() if n > MAX_LINES} == {}


def test_no_path_of_a_development_machine():
    text = [p for top in ("sw", "hw", "sim", "docs", "scripts") for p in (ROOT / top).rglob("*")
            if p.suffix in (".py", ".md", ".cpp", ".h", ".json", ".jsonl", ".toml") and "_build" not in p.parts]
    assert [str(p.relative_to(ROOT)) for p in text if re.search(r"(?<![\w.])/(work|root|home)/\w", p.read_text())] == []


def test_every_folder_is_a_package_with_a_docstring():
    for folder in {path.parent for path in FILES}:
        init = folder / "__init__.py"
        assert init.exists(), f"{folder.relative_to(ROOT)} has no __init__.py"
        assert ast.get_docstring(ast.parse(init.read_text())), f"{init.relative_to(ROOT)} has no docstring"


def test_every_module_has_a_docstring():
    assert [str(p.relative_to(ROOT)) for p in FILES if not ast.get_docstring(ast.parse(p.read_text()))] == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_all_names_exist(path):
    tree = ast.parse(path.read_text())
    if not any(isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__" for n in tree.body):
        return
    try:
        module = importlib.import_module(module_name(path))
    except ModuleNotFoundError as missing:
        if within(module_name(path), *EXTRAS.get(missing.name, ())):
            pytest.skip(f"needs {missing.name}")
        raise
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(set(module.__all__)) == len(module.__all__)
