"""Checks a plan from its definition: every fragment's layers once and in order, budgets, rates, shares."""
from __future__ import annotations

from nigiri.graft.fragment import Plan, gathered
from nigiri.graft.profile import Profile
from nigiri.runtime.errors import NigiriError

__all__ = ["BadPlan", "check"]


class BadPlan(NigiriError):
    """A plan that would not do what it promises."""


def check(profile: Profile, plan: Plan) -> None:
    """Raises BadPlan, which says what is wrong."""
    for n, f in enumerate(plan.fragments):
        if n in plan.refused:
            continue
        at, spent, path = f.first, 0.0, plan.path(n)
        for s in path:
            if s.first != at:
                raise BadPlan(f"fragment {n} is at layer {at}, its next stage begins at {s.first}")
            if profile.ids[s.subnet][:s.end] != profile.ids[f.subnet][:s.end]:
                raise BadPlan(f"fragment {n} of SubNet {f.subnet} goes through other layers, of {s.subnet}")
            at = s.end
            spent += 2 * profile.latency(s.subnet, s.first, s.end, s.instances.size) / s.instances.share
        if at != profile.layers(f.subnet):
            raise BadPlan(f"fragment {n} ends at layer {at} of {profile.layers(f.subnet)}")
        if spent > f.budget_ms * (1 + 1e-6):
            raise BadPlan(f"fragment {n} may take {spent:.3f} ms in the worst case, not {f.budget_ms:.3f}")
    for s in plan.stages:
        rate = sum(plan.fragments[n].rate for n in s.fragments)
        streams = sum(max(1, len(plan.fragments[n].clients)) for n in s.fragments)
        launch_s = profile.latency(s.subnet, s.first, s.end, s.instances.size) / s.instances.share / 1e3
        room = gathered(s.instances.size, -(-streams // max(1, s.instances.count)))
        if s.instances.count * room / launch_s < rate * (1 - 1e-6):
            raise BadPlan(f"a stage of layers {s.first} to {s.end} cannot keep up with {rate:g} a second")
        if not 0 < s.instances.share <= 1:
            raise BadPlan(f"a stage has a share of {s.instances.share:g}")
