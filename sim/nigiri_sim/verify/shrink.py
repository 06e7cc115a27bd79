"""Makes a failing case small: fewer descriptors, smaller layers, plainer flags, as long as it fails."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from nigiri.spec import descriptor, get_config
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_sim.verify.case import Case

__all__ = ["shrink"]

SMALLER = ("out_h", "in_h", "in_w", "out_blocks", "in_blocks", "extra_images", "y_first", "split", "length")
FLAGS = (Flag.TABLE, Flag.RESIDUAL, Flag.POLYPHASE, Flag.POOL, Flag.DISCARD, Flag.SCALE, Flag.STRIDE2, Flag.TRANSPOSE,
         Flag.PRODUCT)


def _simpler(case: Case) -> Iterator[Case]:
    """Cases that are simpler by one step, the largest steps first."""
    lines = case.descriptors()
    for n in range(len(lines)):
        if len(lines) > 1:
            yield case.with_program([*lines[:n], *lines[n + 1:]])
    for n in range(len(case.entries)):
        yield replace(case, entries=(*case.entries[:n], *case.entries[n + 1:]))
    if case.stalls:
        yield replace(case, stalls=0.0)
    if case.memory != "ideal":
        yield replace(case, memory="ideal")
    for n, d in enumerate(lines):
        step = 8 if d["opcode"] != Opcode.CONV else 1
        for name in SMALLER:
            low = {"length": 8, "extra_images": 0, "y_first": 0, "split": 0}.get(name, 1)
            for value in sorted({low, d[name] // 2 // step * step, d[name] - step}):
                if low <= value < d[name]:
                    yield case.with_program([*lines[:n], d | {name: value}, *lines[n + 1:]])
        if d["opcode"] == Opcode.CONV:
            for flag in FLAGS:
                if d["flags"] & flag:
                    yield case.with_program([*lines[:n], d | {"flags": d["flags"] & ~flag}, *lines[n + 1:]])


def _legal(case: Case) -> bool:
    config = get_config(case.config)
    return all(descriptor.problem(d, config) is None for d in case.descriptors())


def shrink(case: Case, fails: Callable[[Case], str | None], limit: int = 400) -> Case:
    """The smallest case found within `limit` runs that still fails.

    A legal program stays one by the device's rules.  A smaller map or another flag keeps the addresses, so that tensors
    of one layer do not begin to overlap.
    """
    legal, best, runs, improved = _legal(case), case, 0, True
    while improved:
        improved = False
        for trial in _simpler(best):
            if runs >= limit:
                return best
            if legal and not _legal(trial):
                continue
            runs += 1
            if fails(trial):
                best, improved = trial, True
                break
    # What no descriptor reads need not be kept.
    zero = best.image.copy()
    keep = best.program_offset * 64
    zero[:] = 0
    zero[keep:keep + best.length * descriptor.BYTES] = best.image[keep:keep + best.length * descriptor.BYTES]
    trial = replace(best, image=zero)
    return trial if not np.array_equal(zero, best.image) and fails(trial) else best
