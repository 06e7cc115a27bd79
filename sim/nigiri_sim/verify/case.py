"""One program to compare, small enough to keep: a window, a program, entries to make resident, faults of the memory."""
from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from nigiri.model.programs import RandomProgram
from nigiri.spec import descriptor

__all__ = ["Case", "Fault"]

WORD = 64


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The memory answers `words` words from `word` of the window on with an error, or not at all ("silent")."""

    word: int
    words: int = 1
    kind: str = "error"


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """config, memory: names.  stalls, seed: of the harness.  image: the window, uint8.  entries: fill entries."""

    config: str
    memory: str
    stalls: float
    seed: int
    image: np.ndarray
    program_offset: int
    length: int
    fill_offset: int
    entries: tuple[bytes, ...] = ()
    faults: tuple[Fault, ...] = ()
    note: str = ""
    spoilt: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, program: RandomProgram, config: str, memory: str, stalls: float, seed: int) -> Case:
        return cls(config=config, memory=memory, stalls=stalls, seed=seed, image=program.image,
                   program_offset=program.program_offset, length=program.n_descriptors,
                   fill_offset=program.fill_offset, entries=tuple(program.fill_entries), note=program.description)

    @property
    def window_words(self) -> int:
        return self.image.size // WORD

    def descriptors(self) -> list[dict[str, int]]:
        """The program's fields."""
        at = self.program_offset * WORD
        raw = self.image[at:at + self.length * descriptor.BYTES].tobytes()
        return [descriptor.unpack(raw[n:n + descriptor.BYTES]) for n in range(0, len(raw), descriptor.BYTES)]

    def with_program(self, lines: list[dict[str, int]], **changes: Any) -> Case:
        """The same window with another program at the same place; at most as long as it was."""
        image = self.image.copy()
        raw = b"".join(descriptor.pack(**line) for line in lines)
        at = self.program_offset * WORD
        image[at:at + len(raw)] = np.frombuffer(raw, np.uint8)
        return replace(self, image=image, length=len(lines), **changes)

    def to_json(self) -> str:
        values = {k: v for k, v in asdict(self).items() if k not in ("image", "entries", "faults")}
        return json.dumps(values | {
            "image": base64.b64encode(zlib.compress(self.image.tobytes(), 9)).decode(),
            "entries": [base64.b64encode(e).decode() for e in self.entries],
            "faults": [asdict(f) for f in self.faults]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Case:
        d = json.loads(text)
        image = np.frombuffer(zlib.decompress(base64.b64decode(d.pop("image"))), np.uint8)
        return cls(**d | {"image": image, "entries": tuple(base64.b64decode(e) for e in d["entries"]),
                          "faults": tuple(Fault(**f) for f in d["faults"])})
