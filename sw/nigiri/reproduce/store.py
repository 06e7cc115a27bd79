"""Measured cycles on disk, so that a long comparison goes on where it was stopped."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nigiri.runtime.errors import BadArgument

__all__ = ["Store"]


class Store:
    """A file of JSON lines, one for each measurement, found again by the hash of everything that it depends on.

    Raises
    ------
    BadArgument: the file holds something else.
    """

    def __init__(self, path: Path):
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        for n, line in enumerate(lines):
            try:
                row = json.loads(line)
                self._rows[row["key"]] = {"cycles": list(row["cycles"]), "total": int(row["total"])}
            except (ValueError, KeyError, TypeError):
                if n + 1 < len(lines):        # the last line may have been cut off
                    raise BadArgument(f"{path}, line {n + 1}, is no measurement: give another file") from None

    @staticmethod
    def key(*parts: object) -> str:
        """The name of what was measured, from anything that JSON holds."""
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]

    def get(self, key: str) -> tuple[list[int], int] | None:
        """(cycles of each descriptor, cycles of all) if they were measured before."""
        row = self._rows.get(key)
        return (row["cycles"], row["total"]) if row else None

    def put(self, key: str, what: str, cycles: list[int], total: int) -> None:
        """Keep a measurement; `what` is for people."""
        self._rows[key] = {"cycles": cycles, "total": total}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, "what": what, "total": total, "cycles": cycles}) + "\n")
