"""Before and after, on a load that changes: requests of a real service, minute by minute."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from nigiri.sched.policy import state_unaware
from nigiri.traffic.shipped import shape
from nigiri.tune.baselines import EpsilonGreedy
from nigiri.tune.environment import Environment
from nigiri.tune.errors import TuneError
from nigiri.tune.online import Levels, OnlineTuner
from nigiri.tune.reward import Outcome
from nigiri.tune.rrl import RRL
from nigiri.tune.study import environment

__all__ = ["ChangingRequest", "changing", "sized"]

HALF = 40.0
"""Evaluations of a level after which it explores half as often."""
STEP = 0.05


@dataclass(frozen=True, kw_only=True)
class ChangingRequest:
    """mean_rate: queries/s over the trace.  windows: in which each of its minutes is served.  passes: times that the
    trace is met; the first is for learning, the last is what was learned.  seeds: runs of each learner."""

    family: str = "mobilenet_v3_160"
    slo_ms: float = 5.0
    mean_rate: float = 4400.0
    windows: int = 5
    passes: int = 3
    seeds: int = 5
    seed: int = 2026

    def __post_init__(self) -> None:
        if self.mean_rate <= 0 or min(self.windows, self.passes, self.seeds) < 1:
            raise TuneError("a changing load needs a positive rate and at least one window, pass and seed, not "
                            f"{self.mean_rate}, {self.windows}, {self.passes} and {self.seeds}")


def sized(env: Environment, rate: float, busy: float = 0.8) -> dict[str, float]:
    """What an operator would take who knows the mean rate alone: single images, a cache period of 8, full clock, and
    the fewest devices that are at most `busy` of their time busy."""
    service = float(env.table.latencies_ms[:, state_unaware(env.table)].mean()) / 1e3
    grid = next(a.values for a in env.space.axes if a.name == "devices")
    devices = next((n for n in grid if rate * service <= busy * n), grid[-1])
    return {"batch": 1, "timeout_ms": 0, "devices": devices, "period": 8, "clock": 1.0}


class _Fixed(EpsilonGreedy):
    """Stays where it is."""

    def __init__(self, count: int, index: int, level: int = 0) -> None:
        super().__init__(count)
        self.index = index

    def choose(self) -> int:
        return self.index


def _mean(outcomes: list[Outcome], env: Environment) -> dict[str, float]:
    rows = [asdict(o) | {"cost": env.cost(o)} for o in outcomes]
    return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}


def _pass(tuner: OnlineTuner, env: Environment, rates: np.ndarray, seed: int, known: float
          ) -> tuple[list[Outcome], float]:
    """The trace once; (outcomes, rate measured last).  The tuner knows the rate of the window before."""
    out = []
    for n, rate in enumerate(rates):
        window = env.window(float(rate), seed + n)
        index = tuner.choose(known)
        outcome = env.serve(index, window)
        tuner.learn(index, -env.cost(outcome))
        out.append(outcome)
        known = len(window) / float(window.arrival_s[-1])
    return out, known


def changing(r: ChangingRequest, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Fixed configurations, plain epsilon-greedy and RRL on the same windows.  No queue goes from window to window."""
    env = environment(r.family, r.slo_ms)
    counts = np.array(shape()["counts"], np.float64)
    rates = np.repeat(counts / counts.mean() * r.mean_rate, r.windows)
    n, d = len(env.space), env.space.distances
    before = sized(env, r.mean_rate)
    fixed = {f"{int(k)} devices": before | {"devices": k}
             for k in next(a.values for a in env.space.axes if a.name == "devices")}
    safe = env.space.index(fixed[f"{env.devices} devices"])
    rows, lines = list[dict[str, Any]](), dict[str, list[Outcome]]()

    def seed_of(s: int, k: int) -> int:
        return r.seed + (s * r.passes + k) * len(rates)

    for name, point in fixed.items():
        progress(f"{name}, fixed")
        index = env.space.index(point)
        tuner = OnlineTuner(partial(_Fixed, n, index), Levels(base=r.mean_rate), index, carry=0.0)
        # What learns nothing needs no second pass; one seed of many windows is enough.
        got, _ = _pass(tuner, env, rates, seed_of(0, r.passes - 1), float(rates[0]))
        lines[name] = got
        rows.append({"name": name, "point": point, "passes": [_mean(got, env)]})
    makers: dict[str, Callable[[int, int], EpsilonGreedy]] = {
        "epsilon-greedy": lambda s, level: EpsilonGreedy(n, half=HALF, step=STEP, seed=1000 * s + level + 500),
        "RRL": lambda s, level: RRL(d, half=HALF, step=STEP, logarithm=True, seed=1000 * s + level + 500)}
    learned: dict[int, dict[str, float]] = {}
    for name, make in makers.items():
        passes = [list[Outcome]() for _ in range(r.passes)]
        for s in range(r.seeds):
            progress(f"{name}: run {s + 1} of {r.seeds}")
            tuner = OnlineTuner(partial(make, s), Levels(base=r.mean_rate / 4), safe)
            known = float(rates[0])
            for k in range(r.passes):
                got, known = _pass(tuner, env, rates, seed_of(s, k), known)
                passes[k] += got
            learned = {level: env.space.points[i] for level, i in tuner.best().items()}
        lines[name] = passes[-1]
        rows.append({"name": name, "point": None, "passes": [_mean(x, env) for x in passes]})
    chosen = f"{int(before['devices'])} devices"
    minutes: dict[str, Any] = {name: {k: _by_minute(lines[name], r.windows, len(counts), k)
                                      for k in ("violations", "power")} for name in (chosen, "epsilon-greedy", "RRL")}
    return {"conditions": asdict(r) | {"levels": {"base": r.mean_rate / 4, "ratio": 1.4}, "half": HALF, "step": STEP},
            "rows": rows, "sized": chosen, "learned": learned,
            "hindsight": min((x for x in rows if x["point"]), key=lambda x: x["passes"][0]["cost"])["name"],
            "minutes": {"rate": rates[::r.windows].tolist()} | minutes}


def _by_minute(outcomes: list[Outcome], windows: int, minutes: int, what: str) -> list[float]:
    x = np.array([getattr(o, what) for o in outcomes]).reshape(-1, minutes, windows)
    return [float(v) for v in x.mean(axis=(0, 2))]
