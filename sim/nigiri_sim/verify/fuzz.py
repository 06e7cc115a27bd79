"""Random programs, legal and illegal, on the RTL, the golden model and the cycle model, for as long as one likes."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.model.programs import Limits, random_program
from nigiri.spec import get_config
from nigiri_sim.verify.case import Case
from nigiri_sim.verify.compare import Bench
from nigiri_sim.verify.coverage import Functional
from nigiri_sim.verify.shrink import shrink
from nigiri_sim.verify.spoil import spoilt

__all__ = ["CONFIGS", "Failure", "fuzz", "make_case"]

CONFIGS = ("tiny", "small")
SETTINGS = (("ddr3_z2", 0.0), ("slow", 0.0), ("ideal", 0.0), ("ideal", 0.3), ("ddr4", 0.1))
SPOILT = 0.25
"""Share of programs that must be refused."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A case that went wrong, made small, and what is wrong with it."""

    case: Case
    text: str


def make_case(seed: int, configs: Sequence[str] = CONFIGS) -> Case:
    """The case of a seed: the same for ever."""
    rng = np.random.default_rng(seed)
    name = configs[seed % len(configs)]
    memory, stalls = SETTINGS[int(rng.integers(len(SETTINGS)))]
    limits = Limits(layers=int(rng.integers(1, 6)), side=int(rng.choice([6, 12, 20])))
    case = Case.of(random_program(rng, get_config(name), limits), name, memory, stalls, seed)
    return spoilt(rng, case) if rng.random() < SPOILT else case


def fuzz(seconds: float, *, first: int = 0, configs: Sequence[str] = CONFIGS, most_failures: int = 5,
         programs: int | None = None, folder: Path | None = None,
         say: Callable[[str], None] = lambda text: None) -> tuple[dict[str, Any], list[Failure]]:
    """Cases from seed `first` on until the time is over, or `programs` are done.

    Failures are made small and, with a folder, kept there.  Every refused program is followed by others on the same
    device, so that a device that does not recover is noticed.
    """
    bench, covered, failures = Bench(), Functional(), list[Failure]()
    refused: Counter[str] = Counter()
    by_config: Counter[str] = Counter()
    done, seed = 0, first
    try:
        for name in configs:
            bench.rtl(name, *SETTINGS[0])                    # builds the simulator, which is no part of the time
        began = said = time.monotonic()
        while time.monotonic() - began < seconds and (programs is None or done < programs):
            case = make_case(seed, configs)
            text = bench.difference(case)
            done += 1
            by_config[case.config] += 1
            if case.spoilt:
                refused[case.spoilt.split(":")[0].rstrip("0123456789 ").split(" at ")[0]] += 1
            else:
                covered.see(case)
            if text:
                # What shows only after other programs cannot be made small.
                small = shrink(case, bench.afresh) if bench.afresh(case) else case
                text = bench.afresh(small) or text
                failures.append(Failure(case=replace(small, meta={"seed": seed, "failure": text}), text=text))
                say(f"seed {seed}: {text} ({small.spoilt or small.note})")
                if folder:
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"seed_{seed}.json").write_text(failures[-1].case.to_json())
                if len(failures) >= most_failures:
                    break
            seed += 1
            if time.monotonic() - said > 30:
                said = time.monotonic()
                say(f"{done} programs, {len(failures)} failures, {said - began:.0f} s")
    finally:
        bench.close()
    took = time.monotonic() - began
    off = np.abs(bench.cycles_off) if bench.cycles_off else np.zeros(1)
    return {"first_seed": first, "programs": done, "by_configuration": dict(by_config), "seconds": round(took, 1),
            "programs_per_minute": round(60 * done / took), "refused": dict(refused),
            "simulated_cycles": bench.simulated, "failures": len(failures),
            "cycle_model": {"programs": len(bench.cycles_off), "mean_abs_error": round(float(off.mean()), 5),
                            "p99_abs_error": round(float(np.percentile(off, 99)), 5)},
            "coverage": covered.summary()}, failures
