"""Graft, what it is compared with, and what is ours, on the same clients at the same moments."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from nigiri.graft.align import Settings
from nigiri.graft.check import check
from nigiri.graft.clients import Client, fragments_at
from nigiri.graft.fragment import Fragment, Plan
from nigiri.graft.place import place
from nigiri.graft.plan import Planner
from nigiri.graft.profile import Profile
from nigiri.graft.roundplan import RoundPlanner
from nigiri.graft.simulate import needed, replay
from nigiri.traffic.bandwidth import Bandwidths

__all__ = ["METHODS", "Method", "Result", "floor", "measured", "static"]

APART = Settings(across=False, realign=False)
SAME = Settings(across=False)
ANY = Settings()


@dataclass(frozen=True, kw_only=True)
class Method:
    """plan: makes one.  static: clients keep their cut.  cached: the SubGraph that all SubNets share is on chip."""

    name: str
    plan: Callable[[Profile, Sequence[Fragment]], Plan]
    static: bool = False
    cached: bool = False


def _alone(profile: Profile, fragments: Sequence[Fragment]) -> Plan:
    return Planner(profile, APART, merging=False).plan(fragments)


def _planner(settings: Settings) -> Callable[[Profile, Sequence[Fragment]], Plan]:
    return lambda profile, fragments: Planner(profile, settings).plan(fragments)


def _rounds(settings: Settings, mixed: bool = True) -> Callable[[Profile, Sequence[Fragment]], Plan]:
    return lambda profile, fragments: RoundPlanner(profile, settings, mixed).plan(fragments)


METHODS = (
    Method(name="alone", plan=_alone),
    Method(name="static", plan=_alone, static=True),
    Method(name="static, merged", plan=_planner(APART), static=True),
    Method(name="merged", plan=_planner(APART)),
    Method(name="graft", plan=_planner(SAME)),
    Method(name="graft, prefixes", plan=_planner(ANY)),
    Method(name="graft, prefixes, cache", plan=_planner(ANY), cached=True),
    Method(name="rounds of one SubNet", plan=_rounds(SAME, mixed=False)),
    Method(name="rounds", plan=_rounds(SAME)),
    Method(name="rounds, prefixes", plan=_rounds(ANY)),
    Method(name="rounds, prefixes, cache", plan=_rounds(ANY), cached=True),
    Method(name="alone, cache", plan=_alone, cached=True))
"""The first four are the baselines: every fragment alone, cuts that never change (both ways), and merging without
re-alignment (GSLICE+ in the paper).  "graft" is the paper's idea, everything behind it uses that fragments come from
one SuperNet."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A plan at one moment.

    devices: worth of shares.  placed: whole devices that hold them.  needed: of a replay that promises nothing.
    missed: clients that no cut can serve in time.  refused: fragments that no device can.  sliced, whole: share of the
    planned requests in time, with shares as slower devices and with launches one after the other.  attainment: of all
    clients, the smaller of the two.
    """

    devices: float
    placed: float
    needed: float
    stages: float
    instances: float
    missed: float
    refused: float
    sliced: float
    whole: float
    attainment: float
    launch: float
    seconds: float


def static(profile: Profile, many: Sequence[Client]) -> list[Client]:
    """Clients that keep the cut that is best at the mean of their trace."""
    out = []
    for c in many:
        mean = Bandwidths(name=c.trace.name, mbit_s=(c.trace.mean,))
        found, _ = fragments_at(profile, [replace(c, trace=mean)], 0)
        out.append(replace(c, fixed=found[0].first if found else 0))
    return out


def floor(profile: Profile, fragments: Sequence[Fragment]) -> float:
    """Devices' worth that no plan with Graft's rule can go below: what the images take in the largest launches, and the
    largest share that a single fragment needs for its budget."""
    work = most = 0.0
    for f in fragments:
        end = profile.layers(f.subnet)
        if f.first < end and 2 * profile.latency(f.subnet, f.first, end, 1) <= f.budget_ms:
            work += f.rate / 1e3 * min(profile.latency(f.subnet, f.first, end, b) / b for b in (1, 2, 4, 8, 16))
            most = max(most, 2 * profile.latency(f.subnet, f.first, end, 1) / f.budget_ms)
    return max(work, most)


def measured(method: Method, plain: Profile, cached: Profile, many: Sequence[Client], moments: Sequence[float],
             seconds: float = 10.0, seed: int = 0) -> dict[str, float]:
    """Means of a method's results over moments of the traces; every plan is checked and replayed."""
    profile = cached if method.cached else plain
    rows = []
    for at in moments:
        fragments, missed = fragments_at(plain, many, at)
        began = time.perf_counter()
        plan = method.plan(profile, fragments)
        rows.append(_result(profile, plan, missed, len(many), time.perf_counter() - began, seconds, seed))
    return {k: sum(asdict(r)[k] for r in rows) / len(rows) for k in asdict(rows[0])}


def _result(profile: Profile, plan: Plan, missed: int, clients: int, planning: float, seconds: float,
            seed: int) -> Result:
    check(profile, plan)
    kept = [n for n in range(len(plan.fragments)) if n not in plan.refused]
    # What is replayed is what was promised; the others count as late.
    rate, every = sum(plan.fragments[n].rate for n in kept), sum(f.rate for f in plan.fragments)
    share = rate / every if every else 1.0
    sliced, whole = (replay(profile, plan, seconds, seed, w) for w in (False, True))
    part = len(plan.fragments) / (len(plan.fragments) + missed) if plan.fragments else 0.0
    return Result(devices=plan.total, placed=len(place(plan).devices), needed=needed(profile, plan, seconds, seed=seed),
                  stages=len(plan.stages), instances=len(plan.hosts) + sum(s.instances.count for _, s in plan.own),
                  missed=missed, refused=len(plan.refused), sliced=min(1.0, sliced.attainment / share),
                  whole=min(1.0, whole.attainment / share),
                  attainment=part * min(sliced.attainment, whole.attainment), launch=whole.mean_size, seconds=planning)
