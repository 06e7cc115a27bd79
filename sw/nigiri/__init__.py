"""Nigiri: serves SuperNets on an accelerator that keeps shared weights on chip across queries.

>>> import nigiri
>>> with nigiri.connect("golden:tiny") as device, nigiri.load("demo", device) as engine:
...     answer = engine.infer("min", nigiri.examples(1)[0][0])
"""
from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Engine", "__version__", "connect", "examples", "load"]

if TYPE_CHECKING:
    from nigiri.quick import examples, load
    from nigiri.runtime.connect import connect
    from nigiri.runtime.engine import Engine

_HOMES = {"Engine": "nigiri.runtime.engine", "connect": "nigiri.runtime.connect", "examples": "nigiri.quick",
          "load": "nigiri.quick"}


def __getattr__(name: str) -> object:
    """Imports what is used, and nothing before."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
