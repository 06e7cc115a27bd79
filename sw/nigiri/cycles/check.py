"""The cycle model against a device: errors layer by layer."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nigiri.compiler import CompiledBundle
from nigiri.cycles.layers import random_program
from nigiri.cycles.measure import measure_program, measure_random
from nigiri.cycles.program import predict
from nigiri.runtime.driver import Driver
from nigiri.runtime.placement import Box
from nigiri.spec.descriptor import Opcode
from nigiri.spec.memory import MemorySetting

__all__ = ["Row", "check_program", "check_random", "compared", "steps", "summary"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer: cycles measured and predicted."""

    name: str
    measured: int
    predicted: int

    @property
    def error(self) -> float:
        """Relative to what was measured."""
        return (self.predicted - self.measured) / self.measured


def steps(program: Sequence[Mapping[str, int]]) -> list[range]:
    """Descriptors that count together: every CONV alone, transfers with those right before and after them.

    Transfers and the fetch unit compete for the memory, and which of two transfers waits for it is a matter of chance.
    """
    out: list[range] = []
    for n, d in enumerate(program):
        if n and d["opcode"] != Opcode.CONV and program[n - 1]["opcode"] != Opcode.CONV:
            out[-1] = range(out[-1].start, n + 1)
        else:
            out.append(range(n, n + 1))
    return out


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean and worst absolute error, those of the sum, and every layer."""
    errors = np.abs([r.error for r in rows])
    measured, predicted = sum(r.measured for r in rows), sum(r.predicted for r in rows)
    return {"mean_abs_error": float(errors.mean()), "worst_abs_error": float(errors.max()),
            "measured_cycles": measured, "predicted_cycles": predicted,
            "total_error": (predicted - measured) / measured,
            "layers": [{**asdict(r), "error": r.error} for r in rows]}


def check_random(driver: Driver, memory: MemorySetting, count: int, seed: int = 0, *, length: int = 1,
                 cached: bool = False, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """At least `count` random layers, in programs of `length` each; with random prefixes resident if `cached`."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    while len(rows) < count:
        x = random_program(rng, driver.config, length, cached=cached)
        measured = measure_random(driver, x)
        predicted = predict(x.program, driver.config, memory, x.resident).layers
        before = len(rows)
        rows += [Row(name=f"{before + n} {name}", measured=m, predicted=round(p.cycles))
                 for n, (name, m, p) in enumerate(zip(x.names, measured, predicted, strict=True))]
        if len(rows) // 20 > before // 20:
            progress(f"{len(rows)} of {count} layers")
    return rows


def check_program(driver: Driver, compiled: CompiledBundle, subnet: str, memory: MemorySetting,
                  resident: Mapping[int, Box] | None = None) -> list[Row]:
    """Every layer of a SubNet's program."""
    measured, _ = measure_program(driver, compiled, subnet, resident or {})
    return compared(compiled, subnet, memory, resident or {}, measured)


def compared(compiled: CompiledBundle, subnet: str, memory: MemorySetting, resident: Mapping[int, Box],
             measured: Sequence[int]) -> list[Row]:
    """Every layer of a SubNet's program, with the cycles measured of each descriptor."""
    program = compiled.descriptors(subnet)
    predicted = predict(program, compiled.config, memory, resident, offset=compiled.program(subnet)[0]).layers
    names = {x.id: x.name for x in compiled.layers}
    rows = []
    for n in steps(program):
        d = program[n[0]]
        name = names[d["layer"]] if d["opcode"] == Opcode.CONV else Opcode(d["opcode"]).name.lower()
        rows.append(Row(name=f"{n[0]} {name}", measured=sum(measured[k] for k in n),
                        predicted=round(sum(predicted[k].cycles for k in n))))
    return rows
