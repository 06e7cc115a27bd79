"""Mutation: small errors are put into the hardware's source, one at a time, and the tests have to notice each.

A mutant is killed when its component's own tests fail, or the RTL built from it differs from the golden model on
random programs.  It is dropped when it makes the same Verilog.  All of that happens in a copy of the repository; the
source may be edited meanwhile.
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

__all__ = ["FILES", "BaselineError", "Mutant", "mutants", "mutate"]

FILES = ("fill", "fetch", "descriptors", "dma_read", "dma_write", "sequencer", "writeback", "requant_lane", "array",
         "actbuf", "dynbuf", "pbuf", "control", "address", "loader", "residency", "check")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
PROGRAMS = 120
CONFIGS = "tiny", "small"
TESTS = {"sequencer": ("sequencer", "sequencer_timing"), "requant_lane": ("requant", "requant_groups"),
         "residency": ("residency", "fill")}
"""Of tests/hw, for the files whose tests are not called like them."""
PARTS = "hw", "sw", "sim", "tests", "pyproject.toml"


class BaselineError(RuntimeError):
    """The unchanged source fails its own tests, so that they say nothing of a mutant."""


@dataclass(frozen=True)
class Mutant:
    """file: of hw/nigiri_hw/core.  line, what: where and what was changed.  text: the line as it was."""

    file: str
    line: int
    what: str
    text: str
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
        yield Mutant(path.stem, change.line, change.what, text.splitlines()[change.line - 1].strip(), ast.unparse(tree))


class _Copy:
    """A copy of the repository, in which one file at a time is changed, and what the tests there say."""

    def __init__(self, root: Path, folder: Path):
        self.root = folder / "repository"
        self.root.mkdir()
        for part in PARTS:
            source = root / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, self.root / part)
        paths = os.pathsep.join(str(self.root / part) for part in ("hw", "sim", "sw"))
        self.environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1",
                            "NIGIRI_BUILD_DIR": str(folder / "build")}
        self.original = {name: self.verilog(name) for name in CONFIGS}
        self.sound: set[str] = set()

    def _python(self, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *arguments], cwd=self.root, env=self.environment, capture_output=True,
                              text=True, timeout=seconds)

    def verilog(self, config: str) -> str | None:
        """None when it does not elaborate."""
        done = self._python("-c", "from nigiri.spec import get_config\nfrom nigiri_hw.build.verilog import generate\n"
                            f"print(generate(get_config({config!r})))", seconds=300)
        return done.stdout if done.returncode == 0 else None

    def tested(self, file: str) -> bool:
        """Whether the component's own tests pass."""
        paths = [f"tests/hw/test_{name}.py" for name in TESTS.get(file, (file,))]
        try:
            return self._python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *paths,
                                seconds=300).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def check(self, file: str) -> None:
        """Raises BaselineError where the tests of a file fail without any change."""
        if file not in self.sound:
            if not self.tested(file):
                raise BaselineError(f"the tests of {file}.py fail without a mutation")
            self.sound.add(file)

    def fuzzed(self, config: str, programs: int) -> bool:
        """Whether random programs see nothing.  Models are compiled quickly: they run for seconds."""
        code = ("import sys\nimport nigiri_sim.build\nnigiri_sim.build.FAST = '-O1'\n"
                "from nigiri_sim.verify.fuzz import make_case\nfrom nigiri_sim.verify.compare import Bench\n"
                f"b = Bench()\nfor s in range({programs}):\n    d = b.difference(make_case(s, ({config!r},)))\n"
                "    if d:\n        print(d); sys.exit(3)\n")
        try:
            return self._python("-c", code, seconds=600).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def verdict(self, m: Mutant) -> str:
        """What becomes of a mutant."""
        self.check(m.file)
        target = self.root / "hw" / "nigiri_hw" / "core" / f"{m.file}.py"
        kept = target.read_text()
        target.write_text(m.source)
        try:
            first, *others = CONFIGS
            texts = {first: self.verilog(first)}
            if texts[first] is None:
                return "does not elaborate"
            if texts[first] == self.original[first]:
                texts |= {name: self.verilog(name) for name in others}
                if texts == self.original:
                    return "same Verilog"
            if not self.tested(m.file):
                return "unit tests"
            texts |= {name: self.verilog(name) for name in others if name not in texts}
            changed = [name for name in CONFIGS if texts[name] != self.original[name]]
            return "survived" if all(self.fuzzed(name, PROGRAMS) for name in changed) else "random programs"
        finally:
            target.write_text(kept)


def mutate(root: Path, count: int, seed: int = 2026, files: Sequence[str] = FILES, seconds: float = float("inf"),
           say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Try `count` mutants, drawn at random from all files, within a time.

    root: the repository.

    Raises
    ------
    BaselineError: the tests fail without a mutation.
    """
    everything = [m for f in files for m in mutants(root / "hw" / "nigiri_hw" / "core" / f"{f}.py")]
    chosen = random.Random(seed).sample(everything, min(count, len(everything)))
    by: Counter[str] = Counter()
    survivors, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = _Copy(root, Path(folder))
        for m in chosen:
            if time.monotonic() - began > seconds:
                break
            by[verdict := copy.verdict(m)] += 1
            if verdict == "survived":
                survivors.append({k: v for k, v in asdict(m).items() if k != "source"})
            say(f"{by.total()} of {len(chosen)}, {time.monotonic() - began:.0f} s: {m.file}.py line {m.line}, {m.what} "
                f"({m.text}): {verdict}")
    tried = by.total()
    real = tried - by["same Verilog"] - by["does not elaborate"]
    return {"seed": seed, "possible": len(everything), "tried": tried,
            "killed_by": {k: by[k] for k in ("unit tests", "random programs")},
            "dropped": {k: by[k] for k in ("same Verilog", "does not elaborate")}, "real": real,
            "killed": real - len(survivors), "survived": len(survivors), "survivors": survivors,
            "seconds": round(time.monotonic() - began, 1)}
