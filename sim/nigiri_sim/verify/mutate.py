"""Mutation: small errors are put into the hardware's source, one at a time, and the tests have to notice each.

A mutant is killed when its component's own tests fail, or the RTL built from it differs from the golden model on
random programs.  It is dropped when it makes the same Verilog.
"""
from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["FILES", "Mutant", "mutants", "mutate"]

FILES = ("fill", "fetch", "descriptors", "dma_read", "dma_write", "sequencer", "writeback", "requant_lane", "array",
         "actbuf", "dynbuf", "pbuf", "control", "address", "loader", "residency", "check")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
PROGRAMS = 120


@dataclass(frozen=True)
class Mutant:
    """file: of hw/nigiri_hw/core.  line, what: where and what was changed."""

    file: str
    line: int
    what: str
    source: str


class _Change(ast.NodeTransformer):
    """Makes the change number `target`; with -1 it only counts."""

    def __init__(self, target: int) -> None:
        self.target, self.count, self.line, self.what = target, 0, 0, ""
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name in ("__init__",):
            return node
        self._inside, before = True, self._inside
        self.generic_visit(node)
        self._inside = before
        return node

    def _hit(self, node: ast.AST, what: str) -> bool:
        if not self._inside:
            return False
        self.count += 1
        if self.count - 1 == self.target:
            self.line, self.what = getattr(node, "lineno", 0), what
            return True
        return False

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        old = type(node.ops[0])
        if old in SWAPS and self._hit(node, f"{old.__name__} becomes {SWAPS[old].__name__}"):
            node.ops[0] = SWAPS[old]()  # type: ignore[call-overload]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        old = type(node.op)
        if old in SWAPS and self._hit(node, f"{old.__name__} becomes {SWAPS[old].__name__}"):
            node.op = SWAPS[old]()  # type: ignore[assignment]
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Invert) and self._hit(node, "a negation is left out"):
            return node.operand
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if type(value) is int and 0 <= value < 64 and self._hit(node, f"{value} becomes {value + 1}"):
            return ast.copy_location(ast.Constant(value + 1), node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.target, ast.Attribute) and node.target.attr == "sync" and self._hit(
                node, "an assignment to registers is left out"):
            return ast.copy_location(ast.Pass(), node)
        return node


def mutants(path: Path) -> Iterator[Mutant]:
    """All mutants of a file, in order."""
    text = path.read_text()
    counting = _Change(-1)
    counting.visit(ast.parse(text))
    for n in range(counting.count):
        change = _Change(n)
        tree = ast.fix_missing_locations(change.visit(ast.parse(text)))
        yield Mutant(path.stem, change.line, change.what, ast.unparse(tree))


def _verilog(root: Path, environment: dict[str, str]) -> str | None:
    done = subprocess.run([sys.executable, "-c", "from nigiri.spec import get_config\n"
                           "from nigiri_hw.build.verilog import generate\nprint(generate(get_config('tiny')))"],
                          cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    return done.stdout if done.returncode == 0 else None


def _fuzzed(root: Path, environment: dict[str, str], config: str, programs: int) -> str | None:
    """What random programs on a configuration say of the mutant; None when they see nothing."""
    code = ("import sys\nfrom nigiri_sim.verify.fuzz import make_case\nfrom nigiri_sim.verify.compare import Bench\n"
            f"b = Bench()\nfor s in range({programs}):\n    d = b.difference(make_case(s, ({config!r},)))\n"
            "    if d:\n        print(d); sys.exit(3)\n")
    try:
        done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True,
                              timeout=600)
    except subprocess.TimeoutExpired:
        return "hangs"
    return None if done.returncode == 0 else (done.stdout or done.stderr).strip().splitlines()[-1][:120]


def mutate(root: Path, count: int, seed: int = 2026, files: Sequence[str] = FILES, seconds: float = float("inf"),
           say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Try `count` mutants, drawn at random from all files, within a time.

    root: the repository.
    """
    everything = [m for f in files for m in mutants(root / "hw" / "nigiri_hw" / "core" / f"{f}.py")]
    chosen = random.Random(seed).sample(everything, min(count, len(everything)))
    tests = {p.stem.removeprefix("test_") for p in (root / "tests" / "hw").glob("test_*.py")}
    names = {"fetch": None, "descriptors": None, "requant_lane": "requant", "sequencer": None, "loader": None,
             "residency": "fill"}
    by: Counter[str] = Counter()
    survivors, began, tried = [], time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "repository")
        copy.mkdir()
        for part in ("hw", "tests", "pyproject.toml"):
            source = root / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / part)
        environment = {**os.environ, "PYTHONPATH": str(copy / "hw"), "PYTHONDONTWRITEBYTECODE": "1"}
        original = _verilog(copy, environment)
        for m in chosen:
            if time.monotonic() - began > seconds:
                break
            tried += 1
            target = copy / "hw" / "nigiri_hw" / "core" / f"{m.file}.py"
            kept = target.read_text()
            target.write_text(m.source)
            try:
                text = _verilog(copy, environment)
                if text is None:
                    by["does not elaborate"] += 1
                    continue
                if text == original:
                    by["same Verilog"] += 1
                    continue
                unit = names.get(m.file, m.file)
                if unit in tests:
                    try:
                        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                                               f"tests/hw/test_{unit}.py"], cwd=copy, env=environment,
                                              capture_output=True, timeout=300)
                        failed = done.returncode != 0
                    except subprocess.TimeoutExpired:
                        failed = True
                    if failed:
                        by["unit tests"] += 1
                        continue
                if any(_fuzzed(copy, environment, config, PROGRAMS) for config in ("tiny", "small")):
                    by["random programs"] += 1
                    continue
                survivors.append({k: v for k, v in asdict(m).items() if k != "source"})
                say(f"survived: {m.file}.py line {m.line}: {m.what}")
            finally:
                target.write_text(kept)
                say(f"{tried} of {len(chosen)}: {dict(by)}, {len(survivors)} survived, "
                    f"{time.monotonic() - began:.0f} s")
    real = tried - by["same Verilog"] - by["does not elaborate"]
    return {"seed": seed, "possible": len(everything), "tried": tried, "killed_by": dict(by), "real": real,
            "killed": real - len(survivors), "survived": len(survivors), "survivors": survivors,
            "seconds": round(time.monotonic() - began, 1)}
