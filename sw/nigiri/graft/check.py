"""Checks a plan from its definition: every fragment's layers once and in order, budgets, rates, shares."""
from __future__ import annotations

from itertools import pairwise

from nigiri.graft.fragment import Host, Plan, Stage, gathered
from nigiri.graft.profile import Profile
from nigiri.runtime.errors import NigiriError

__all__ = ["BadPlan", "check"]


class BadPlan(NigiriError):
    """A plan that would not do what it promises."""


def check(profile: Profile, plan: Plan) -> None:
    """Raises BadPlan, which says what is wrong."""
    host_of = {n: h for h in plan.hosts for n in h.stages}
    if sum(len(h.stages) for h in plan.hosts) != len(host_of):
        raise BadPlan("a stage is in two hosts")
    for n, f in enumerate(plan.fragments):
        if n in plan.refused:
            continue
        at, path = f.first, plan.numbers(n)
        for k in path:
            s = plan.stages[k]
            if s.first != at:
                raise BadPlan(f"fragment {n} is at layer {at}, its next stage begins at {s.first}")
            if profile.ids[s.subnet][:s.end] != profile.ids[f.subnet][:s.end]:
                raise BadPlan(f"fragment {n} of SubNet {f.subnet} goes through other layers, of {s.subnet}")
            at = s.end
        if at != profile.layers(f.subnet):
            raise BadPlan(f"fragment {n} ends at layer {at} of {profile.layers(f.subnet)}")
        spent = sum(2 * _launch(profile, plan.stages[k]) / plan.stages[k].instances.share
                    for k in path if k not in host_of)
        spent += sum(_passing(profile, plan, h, [k for k in path if host_of.get(k) is h]) for h in plan.hosts
                     if any(host_of.get(k) is h for k in path))
        if spent > f.budget_ms * (1 + 1e-6):
            raise BadPlan(f"fragment {n} may take {spent:.3f} ms in the worst case, not {f.budget_ms:.3f}")
    for k, s in enumerate(plan.stages):
        host = host_of.get(k)
        alone = sum(_launch(profile, plan.stages[m]) for m in host.stages) if host else _launch(profile, s)
        share, count = (host.share, 1) if host else (s.instances.share, s.instances.count)
        rate = sum(plan.fragments[n].rate for n in s.fragments)
        streams = sum(max(1, len(plan.fragments[n].clients)) for n in s.fragments)
        room = gathered(s.instances.size, -(-streams // max(1, count)))
        if count * room * 1e3 * share / alone < rate * (1 - 1e-6):
            raise BadPlan(f"a stage of layers {s.first} to {s.end} cannot keep up with {rate:g} a second")
        if not 0 < share <= 1:
            raise BadPlan(f"a stage has a share of {share:g}")


def _launch(profile: Profile, s: Stage) -> float:
    return profile.latency(s.subnet, s.first, s.end, s.instances.size)


def _passing(profile: Profile, plan: Plan, host: Host, own: list[int]) -> float:
    """Milliseconds that a request may be in a host: a whole round before its first launch begins, then up to the end of
    its last one; another round for every time that it would have to go back."""
    launches = [_launch(profile, plan.stages[m]) for m in host.stages]
    places = [host.stages.index(k) for k in own]
    rounds = 1 + sum(b < a for a, b in pairwise(places))
    span = sum(launches[places[0]:places[-1] + 1]) if rounds == 1 else sum(launches)
    return (rounds * sum(launches) + span) / host.share
