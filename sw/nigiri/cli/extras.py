"""Optional packages: imported when a command needs them, named with the extra that installs them when missing."""
from __future__ import annotations

import importlib
from types import ModuleType

from nigiri.runtime.errors import NigiriError

__all__ = ["MissingExtra", "need"]


class MissingExtra(NigiriError):
    """A package that only some commands need is not installed."""


def need(module: str, extra: str) -> ModuleType:
    """Import `module`; MissingExtra, with the command that installs it, when it or what it imports is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"this command needs the package {error.name!r}, which is not installed: "
                           f"run pip install 'nigiri[{extra}]'") from error
