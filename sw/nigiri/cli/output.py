"""Results go to stdout, progress to stderr."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["emit", "say", "write_json"]


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def emit(data: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    print(json.dumps(data, indent=2))


def write_json(path: Path, data: dict[str, Any]) -> None:
    """One JSON object in a file; its folder is made when it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n")
