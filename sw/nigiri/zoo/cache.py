"""Calibrated constants on disk: an archive of arrays per SubNet, named after everything that decides them."""
from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from nigiri.compiler.graph import Layer, Network, Pool, Residual, Scale
from nigiri.zoo.build import assemble, calibrated, parse
from nigiri.zoo.plan import Choice, Family

__all__ = ["cache_folder", "cached", "cached_subnets"]

DEPENDS = ("zoo/*.py", "quant/fixed.py", "compiler/graph.py", "compiler/pack.py", "spec/layout.py")
"""Source files, from the package's folder, that decide the constants."""
PARTS = {"residual": Residual, "scale": Scale, "pool": Pool}
ARRAYS = ("bias", "mult", "shift", "table")


def cache_folder() -> Path:
    """NIGIRI_BUILD_DIR/zoo, else build/zoo of the source tree, else a folder in the user's cache."""
    chosen = os.environ.get("NIGIRI_BUILD_DIR")
    if chosen:
        return Path(chosen).absolute() / "zoo"
    tree = Path(__file__).parents[3]
    if (tree / "pyproject.toml").is_file() and tree.name != "site-packages":
        return tree / "build" / "zoo"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nigiri" / "zoo"


@lru_cache
def _code_version() -> str:
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for pattern in DEPENDS:
        for path in sorted(package.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _file(family: Family, name: str, choice: Choice, seed: int) -> Path:
    key = json.dumps([_code_version(), np.__version__, choice.facts(), seed])
    return cache_folder() / f"{family.name}-{name}-{seed}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def _write(path: Path, layers: tuple[Layer, ...]) -> None:
    arrays, facts = {}, []
    for n, layer in enumerate(layers):
        fact = dict(layer.__dict__)
        for key in ARRAYS:
            array = fact.pop(key)
            if array is not None:
                arrays[f"{n}.{key}"] = array
        facts.append(fact | {k: asdict(fact[k]) for k in PARTS if fact[k]})
    arrays["layers"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:                                     # complete or not at all, whoever else writes the same file now
        with os.fdopen(handle, "wb") as f:
            np.savez(f, **arrays)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path) -> tuple[Layer, ...] | None:
    """The layers in a file, or None when there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            facts = json.loads(saved["layers"].tobytes())
            for n, fact in enumerate(facts):
                fact |= {k: kind(**fact[k]) for k, kind in PARTS.items() if fact[k]}
                fact |= {k: saved[f"{n}.{k}"] if f"{n}.{k}" in saved else None for k in ARRAYS}
            return tuple(Layer(**fact) for fact in facts)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def cached(name: str, seed: int = 0) -> Network:
    """:func:`nigiri.zoo.load`, from :func:`cache_folder` where the constants are there already; puts them there."""
    family, chosen = parse(name)
    return cached_subnets(family, {n: family.choices[n] for n in chosen}, seed)


def cached_subnets(family: Family, choices: Mapping[str, Choice], seed: int = 0) -> Network:
    """The same for any SubNets of a family, by name."""
    subnets = {}
    for n, choice in choices.items():
        path = _file(family, n, choice, seed)
        layers = _read(path)
        if layers is None:
            layers = calibrated(family, choice, seed)
            _write(path, layers)
            for old in path.parent.glob(f"{family.name}-{n}-{seed}-*.npz"):
                if old != path and n in family.choices:      # of another version of the code
                    old.unlink(missing_ok=True)
        subnets[n] = choice, layers
    return assemble(family, subnets, seed)
