"""Functional coverage: which combinations of what a layer can be have been run."""
from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

from nigiri.spec import get_config
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_sim.verify.case import Case

__all__ = ["Functional"]

OPERATOR = Flag.DEPTHWISE | Flag.MAXIMUM | Flag.PRODUCT | Flag.TRANSPOSE
KINDS = {0: "dense", Flag.DEPTHWISE: "depthwise", Flag.MAXIMUM: "maximum", Flag.PRODUCT: "product",
         Flag.PRODUCT | Flag.TRANSPOSE: "product transpose"}
UNCACHED = "maximum", "product", "product transpose"
"""Operators that take nothing from the persistent buffer, whatever is there."""
AFTER = {Flag.TABLE: "table", Flag.RESIDUAL: "residual", Flag.POLYPHASE: "polyphase", Flag.POOL: "pool",
         Flag.DISCARD: "discard", Flag.SCALE: "scale"}
RESIDENCY = ("none", "part", "all")


def _resident(d: dict[str, int], box: tuple[int, int, int] | None, taps: int) -> str:
    if box is None:
        return "none"
    need = d["out_blocks"] if d["w_blocks"] else 1, d["in_blocks"], taps
    return "all" if all(b >= n for b, n in zip(box, need, strict=True)) else "part"


class Functional:
    """Counts of (operator, kernel, stride, lane group split, residency), and of pairs of what follows the sums with
    operator, stride and batch."""

    def __init__(self) -> None:
        self.cross: Counter[tuple[Any, ...]] = Counter()
        self.pairs: Counter[tuple[Any, ...]] = Counter()

    def see(self, case: Case) -> None:
        """A legal program."""
        from nigiri.spec.descriptor import taps
        from nigiri_sim.verify.compare import resident

        boxes = resident(case)
        for d in case.descriptors():
            if d["opcode"] != Opcode.CONV:
                continue
            kind = KINDS[d["flags"] & OPERATOR]
            stride = 2 if d["flags"] & Flag.STRIDE2 else 1
            where = "none" if kind in UNCACHED else _resident(d, boxes.get(d["layer"]), taps(d))
            self.cross[case.config, kind, d["kernel"], stride, d["split"], where] += 1
            batch = "batch" if d["extra_images"] else "single"
            for flag, name in AFTER.items():
                if d["flags"] & flag:
                    self.pairs[name, kind, stride, batch] += 1
            chosen = [name for flag, name in AFTER.items() if d["flags"] & flag]
            for a in chosen:
                for b in chosen:
                    if a < b:
                        self.pairs[a, b] += 1

    @staticmethod
    def goals(configs: tuple[str, ...] = ("tiny", "small")) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
        """All combinations that the instruction set allows."""
        cross: set[tuple[Any, ...]] = set()
        pairs: set[tuple[Any, ...]] = set()
        for name in configs:
            splits = range(get_config(name).groups.bit_length())
            for kind, kernel, stride, split, where in product(KINDS.values(), (1, 3, 5, 7), (1, 2), splits, RESIDENCY):
                if (kind in UNCACHED and where != "none") or (split and kind in ("depthwise", "maximum")):
                    continue
                if kernel == 1 if kind == "maximum" else kernel != 1 and kind in UNCACHED:
                    continue
                cross.add((name, kind, kernel, stride, split, where))
        names = sorted(AFTER.values())
        pairs |= {(a, k, s, b) for a in names for k in KINDS.values() for s in (1, 2) for b in ("single", "batch")}
        pairs |= {(a, b) for n, a in enumerate(names) for b in names[n + 1:]}
        return cross, pairs

    def summary(self) -> dict[str, Any]:
        """Shares, and what has never been run."""
        cross, pairs = self.goals()
        missing = sorted(map(str, (cross - set(self.cross)) | (pairs - set(self.pairs))))
        return {"layers": sum(self.cross.values()),
                "operator_kernel_stride_split_residency": f"{len(cross & set(self.cross))} of {len(cross)}",
                "what_follows_the_sums": f"{len(pairs & set(self.pairs))} of {len(pairs)}",
                "missing": missing[:20], "missing_count": len(missing)}
