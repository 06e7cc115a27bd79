"""Follows clients whose bandwidth changes: plans anew what no longer holds, and says what that touched."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nigiri.graft.fragment import Fragment, Plan, Stage
from nigiri.graft.plan import Planner

__all__ = ["SLACK", "Change", "Follower"]

SLACK = 1.1
"""Budgets are planned in steps of this factor, rounded down, so that small changes of the bandwidth change nothing."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A new plan against the one before.

    fragments: that came, went or changed.  kept, made, dropped: stages.
    """

    plan: Plan
    clients: tuple[int, ...]
    fragments: int
    kept: int
    made: int
    dropped: int


@dataclass
class Follower:
    """Keeps a planner's plan in step with the fragments of its clients.

    slack: factor of the steps of budgets; 1 plans the budgets as they are.
    """

    planner: Planner
    slack: float = SLACK
    _now: dict[int, Fragment] = field(default_factory=dict, repr=False)
    _stages: set[tuple] = field(default_factory=set, repr=False)

    def planned(self, f: Fragment) -> Fragment:
        """The fragment with the budget that it is planned with: no more than it has."""
        if self.slack <= 1:
            return f
        steps = math.floor(math.log(f.budget_ms) / math.log(self.slack) + 1e-9)
        return replace(f, budget_ms=min(f.budget_ms, self.slack**steps))

    def follow(self, fragments: Mapping[int, Fragment]) -> Change:
        """The plan for the fragments of clients, by client; those that are not named are gone."""
        wanted = {n: self.planned(f) for n, f in fragments.items()}
        changes: dict[int, Fragment | None] = {n: f for n, f in wanted.items() if self._now.get(n) != f}
        changes |= dict.fromkeys(self._now.keys() - wanted.keys())
        plan = self.planner.update(changes)
        self._now = wanted
        clients = tuple(sorted(wanted))
        stages = {_key(s, clients) for s in plan.stages}
        before, self._stages = self._stages, stages
        return Change(plan=plan, clients=clients, fragments=len(changes), kept=len(stages & before),
                      made=len(stages - before), dropped=len(before - stages))


def _key(s: Stage, clients: tuple[int, ...]) -> tuple:
    """What a stage is, whatever the numbers of its fragments in a plan."""
    return (s.subnet, s.first, s.end, s.instances.count, s.instances.size, s.instances.share,
            tuple(sorted(clients[n] for n in s.fragments)))
