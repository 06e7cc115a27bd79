"""Evaluations until each learner has found a nearly best configuration, at several loads and with several networks."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.reproduce.workloads import shipped_table
from nigiri.tune.bank import Bank, measure_bank
from nigiri.tune.baselines import EpsilonGreedy, Exhaustive, Learner, RandomSearch
from nigiri.tune.convergence import quartiles, run
from nigiri.tune.environment import Environment
from nigiri.tune.errors import TuneError
from nigiri.tune.reward import Cost
from nigiri.tune.rrl import RRL
from nigiri.tune.space import Space, serving_space

__all__ = ["MACHINE", "WORKLOADS", "StudyRequest", "Workload", "ablation", "environment", "learners", "study"]

MACHINE = "zcu104@300"
SUBGRAPHS = 24
"""Candidates for the cache, the empty one included."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A shipped latency table, a deadline in milliseconds and a mean rate in queries/s."""

    family: str
    slo_ms: float
    rate: float


WORKLOADS = (Workload(family="mobilenet_v3_160", slo_ms=5.0, rate=3500.0),
             Workload(family="mobilenet_v3_160", slo_ms=5.0, rate=7000.0),
             Workload(family="mobilenet_v3", slo_ms=10.0, rate=3000.0),
             Workload(family="resnet50", slo_ms=36.0, rate=700.0))
"""Not those on which the learner's numbers were chosen: mobilenet_v3_160 at 2,000, 5,000 and 9,000 queries/s."""


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """windows: of each configuration, whose mean is its true value.  evaluations: of each run.  seeds: runs of each
    learner.  folder: where measured banks are kept, None for nowhere."""

    workloads: tuple[Workload, ...] = WORKLOADS
    windows: int = 5
    evaluations: int = 3000
    seeds: int = 20
    seed: int = 2026
    margin: float = 0.05
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not self.workloads or self.windows < 1 or self.evaluations < 1 or self.seeds < 1:
            raise TuneError("a study needs at least one workload, window, evaluation and seed, not "
                            f"{len(self.workloads)}, {self.windows}, {self.evaluations} and {self.seeds}")


def environment(family: str, slo_ms: float) -> Environment:
    """The devices and the space of all experiments here, with a shipped table."""
    table = shipped_table(family, MACHINE).first(SUBGRAPHS)
    return Environment(table=table, space=serving_space(), cost=Cost(slo_ms=slo_ms))


def learners(space: Space) -> dict[str, Callable[[int], Learner]]:
    """Makers of all that are compared, by name; each takes a seed."""
    n, d = len(space), space.distances
    return {"RRL": lambda s: RRL(d, logarithm=True, seed=s),
            "RRL, optimistic": lambda s: RRL(d, logarithm=True, initial=3.0, epsilon=0.05, seed=s),
            "epsilon-greedy 0.1": lambda s: EpsilonGreedy(n, epsilon=0.1, seed=s),
            "epsilon-greedy 0.3": lambda s: EpsilonGreedy(n, epsilon=0.3, seed=s),
            "epsilon-greedy, optimistic": lambda s: EpsilonGreedy(n, epsilon=0.05, initial=0.0, seed=s),
            "random": lambda s: RandomSearch(n, seed=s), "exhaustive": lambda s: Exhaustive(n)}


def ablation(space: Space) -> dict[str, Callable[[int], Learner]]:
    """RRL with one choice changed."""
    plain = Space(axes=tuple(replace(a, stretch=1.0) for a in space.axes)).distances
    d = space.distances

    def rrl(distances: np.ndarray, **changed: Any) -> Callable[[int], Learner]:
        return lambda seed: RRL(distances, **({"logarithm": True, "seed": seed} | changed))

    return {"all axes equally long": rrl(plain), "explores everywhere alike": rrl(d, local=0.0),
            "regions also move what was tried": rrl(d, own=False), "rewards, not logarithms": rrl(d, logarithm=False),
            "the four together": rrl(plain, local=0.0, own=False, logarithm=False),
            "gauss": rrl(d, kernel="gauss"), "box": rrl(d, kernel="box"), "radius 0.4": rrl(d, radius=0.4),
            "radius 0.9": rrl(d, radius=0.9), "radius falls with time": rrl(d, shrink="time", factor=0.3)}


def _compare(bank: Bank, makers: dict[str, Callable[[int], Learner]], r: StudyRequest, evaluations: int,
             progress: Callable[[str], None]) -> list[dict[str, Any]]:
    at = np.unique(np.round(np.geomspace(1, evaluations, 60)).astype(int))
    rows = []
    for name, make in makers.items():
        progress(f"{name}: {r.seeds} runs of {evaluations} evaluations")
        # Exhaustive search has no seed, but meets other windows.
        runs = [run(make(r.seed + s), bank, evaluations, r.seed + 1000 + s, r.margin) for s in range(r.seeds)]
        excess = np.median([x.excess[at - 1] for x in runs], axis=0)
        rows.append({"learner": name, "first": quartiles([x.first for x in runs], evaluations),
                     "stays": quartiles([x.stays for x in runs], evaluations),
                     "paid": float(np.mean([x.paid for x in runs])), "evaluations": at.tolist(),
                     "excess": excess.tolist()})
    return rows


def study(r: StudyRequest, progress: Callable[[str], None] = lambda text: None) -> list[dict[str, Any]]:
    """All learners on all workloads.

    `speedup` of a row: its median evaluations over those of RRL, of `first` and of `stays`; None when one of them never
    arrives.

    Raises
    ------
    TableError: no latency table of a family comes with the package.
    """
    out = []
    for w in r.workloads:
        env = environment(w.family, w.slo_ms)
        progress(f"{w.family}, {w.rate:g} queries/s")
        bank = measure_bank(env, w.rate, r.windows, r.seed, folder=r.folder, progress=progress)
        rows = _compare(bank, learners(env.space), r, r.evaluations, progress)
        for row in rows:
            row["speedup"] = {k: row[k]["median"] / rows[0][k]["median"]
                              if row[k]["median"] and rows[0][k]["median"] else None for k in ("first", "stays")}
        out.append({"family": w.family, "slo_ms": w.slo_ms, "rate": w.rate, "configurations": len(env.space),
                    "near": int(bank.near(r.margin).sum()), "best": env.space.points[bank.best],
                    "best_cost": float(-bank.values[bank.best]), "rows": rows,
                    "ablation": _compare(bank, ablation(env.space), r, min(1000, r.evaluations), progress)})
    return out
