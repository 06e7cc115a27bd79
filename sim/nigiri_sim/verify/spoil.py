"""Programs that a device must refuse, and say why: a legal one with one rule broken, or with a memory that fails."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nigiri.spec import descriptor, get_config, residency
from nigiri.spec.descriptor import Flag, Opcode
from nigiri_sim.verify.case import Case, Fault

__all__ = ["spoilt"]

Lines = list[dict[str, int]]


def _field(rng: np.random.Generator, case: Case, lines: Lines) -> tuple[Lines, str] | None:
    """A field of one descriptor gets a value that breaks a rule of the instruction set."""
    config = get_config(case.config)
    fields = {f.name: f for f in descriptor.FIELDS}
    for _ in range(200):
        n = int(rng.integers(len(lines)))
        name = str(rng.choice(list(fields)))
        f = fields[name]
        low, high = (-(1 << f.width - 1), (1 << f.width - 1) - 1) if f.signed else (0, (1 << f.width) - 1)
        value = int(rng.choice([low, high, int(rng.integers(low, high + 1)), lines[n][name] ^ 1]))
        if not low <= value <= high:
            continue
        changed = lines[n] | {name: value}
        if descriptor.problem(changed, config):
            return [*lines[:n], changed, *lines[n + 1:]], f"descriptor {n}: {name} = {value}"
    return None


def _operator(rng: np.random.Generator, case: Case, lines: Lines) -> tuple[Lines, str] | None:
    """A layer becomes a product that no device computes: of a larger kernel, by columns, or transposed weights."""
    config = get_config(case.config)
    n = int(rng.choice([n for n, d in enumerate(lines) if d["opcode"] == Opcode.CONV]))
    d = lines[n]
    flags = (d["flags"] | Flag.PRODUCT, d["flags"] | Flag.PRODUCT | Flag.TRANSPOSE,
             d["flags"] & ~Flag.PRODUCT | Flag.TRANSPOSE, d["flags"] | Flag.PRODUCT | Flag.DEPTHWISE)
    changes = [{"flags": f} for f in flags] + [{"kernel": k} for k in (3, 5) if d["flags"] & Flag.PRODUCT]
    changed = [d | c for c in changes if descriptor.problem(d | c, config)]
    new = changed[int(rng.integers(len(changed)))]
    return [*lines[:n], new, *lines[n + 1:]], f"descriptor {n}: flags = {new['flags']}, kernel = {new['kernel']}"


def _window(rng: np.random.Generator, case: Case, lines: Lines) -> tuple[Lines, str] | None:
    """A transfer that reaches one word, or far, beyond the end of the window."""
    n = int(rng.integers(len(lines)))
    d = lines[n]
    if d["opcode"] == Opcode.CONV:
        names = ["param_offset"] + ["table_offset"] * bool(d["flags"] & Flag.TABLE)
        names += ["mem_offset"] * (not d["flags"] & Flag.MAXIMUM)
    else:
        names = ["mem_offset"]
    name = str(rng.choice(names))
    # The window is a whole number of pages, 64 words each.
    end = -(-case.window_words // 64) * 64
    value = int(rng.choice([end, end + 1, 2**32 - 1, 2**31, int(rng.integers(end, 2**32))]))
    return [*lines[:n], d | {name: value}, *lines[n + 1:]], f"descriptor {n}: {name} = {value}"


def _program(rng: np.random.Generator, case: Case) -> Case:
    """The program itself lies beyond the window."""
    offset = int(rng.choice([-(-case.window_words // 64) * 64, 2**32 - 2, 2**31]))
    return replace(case, program_offset=offset, spoilt=f"program at word {offset}")


def _entry(rng: np.random.Generator, case: Case) -> Case | None:
    """A fill entry that breaks a rule, reaches beyond a memory, or overlaps another."""
    config = get_config(case.config)
    if not case.entries:
        return None
    n = int(rng.integers(len(case.entries)))
    e = residency.unpack(case.entries[n])
    if not e["out_blocks"]:
        return None
    end = -(-case.window_words // 64) * 64
    name, value = [("layer", config.layers), ("layer", 0xFFFF), ("taps", e["w_taps"] + 1),
                   ("in_blocks", e["w_blocks"] + 1), ("pb_base", config.pb_words), ("pb_base", 2**32 - 1),
                   ("mem_offset", end), ("mem_offset", 2**32 - 1)][int(rng.integers(8))]
    try:
        raw = residency.pack(**e | {name: value})
    except ValueError:
        return None
    return replace(case, entries=(*case.entries[:n], raw, *case.entries[n + 1:]),
                   spoilt=f"fill entry {n}: {name} = {value}")


def _memory(rng: np.random.Generator, case: Case) -> Case:
    """The memory answers with an error, or not at all, somewhere where it is asked."""
    lines = case.descriptors()
    d = lines[int(rng.integers(len(lines)))]
    words = [case.program_offset + 2 * int(rng.integers(case.length))]
    if d["opcode"] == Opcode.CONV:
        words += [d["param_offset"]] + [d["mem_offset"]] * (not d["flags"] & Flag.MAXIMUM)
    else:
        words.append(d["mem_offset"] + int(rng.integers(max(1, d["length"] // 8))))
    word = int(rng.choice(words))
    kind = "silent" if rng.random() < 0.2 else "error"
    return replace(case, faults=(Fault(word=word, kind=kind),), spoilt=f"memory word {word}: {kind}")


def spoilt(rng: np.random.Generator, case: Case) -> Case:
    """The case with one thing wrong, which `spoilt` names."""
    while True:
        kind = int(rng.integers(10))
        if kind < 8:
            make: Callable[..., tuple[Lines, str] | None] = _operator if not kind else _field if kind < 4 else _window
            if kind < 6 and (found := make(rng, case, case.descriptors())):
                return case.with_program(found[0], spoilt=found[1])
            if kind >= 6:
                return _memory(rng, case)
        elif kind == 8:
            return _program(rng, case)
        elif (entry := _entry(rng, case)) is not None:
            return entry
