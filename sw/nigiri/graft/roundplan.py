"""Plans whose time shares walk in rounds through a group of fragments: which fragments go together (ours)."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from nigiri.graft.align import Settings, align
from nigiri.graft.fragment import Fragment, Host, Instances, Plan, Stage
from nigiri.graft.plan import Numbered, as_one, merge
from nigiri.graft.profile import Profile
from nigiri.graft.rounds import NEVER, Round, best_round

__all__ = ["MOST", "RoundPlanner"]

MOST = 12
"""Merged fragments in a round at most: each has its deadline, and each program is polled in turn."""
NEAREST = 10
"""Groups that a fragment is tried in, those with the most similar budgets."""
PASSES = 4
"""Passes over all fragments that look for a better group."""

Bundle = tuple[Numbered, ...]


@dataclass
class RoundPlanner:
    """Merges uniform fragments as Graft does, and lets groups of them take turns in one share each.

    settings: `across`, whether SubNets share layers; `realign`, whether first layers do.  mixed: a share may launch
    more than one SubNet.
    """

    profile: Profile
    settings: Settings = field(default_factory=Settings)
    mixed: bool = True
    _known: dict[tuple[int, ...], Round] = field(default_factory=dict, repr=False)
    _one: dict[int, Fragment] = field(default_factory=dict, repr=False)

    def plan(self, fragments: Sequence[Fragment]) -> Plan:
        """A plan from scratch."""
        plain = Settings(across=False, realign=False)
        numbered = [(n, f) for n, f in enumerate(fragments) if f.first < self.profile.layers(f.subnet)]
        possible = {n: align(self.profile, [(n, f)], plain) for n, f in numbered}
        served = [x for x in numbered if possible[x[0]][0] < math.inf]
        bundles = [tuple(b) for b in merge(self.profile, served, plain)]
        self._known, self._one = {}, {k: as_one(b)[1] for k, b in enumerate(bundles)}
        tried = [self._grouped(order) for order in self._orders()]
        groups = min(tried, key=lambda g: sum(map(self._share, g)))
        return self._result(tuple(fragments), bundles, groups, tuple(n for n, (c, _) in possible.items()
                                                                     if not c < math.inf))

    def _orders(self) -> list[list[int]]:
        """Orders in which fragments may be put into groups: a greedy choice depends on it, and trying some is cheap."""
        one = self._one
        return [sorted(one, key=lambda k: (one[k].budget_ms, k)), sorted(one, key=lambda k: (-one[k].budget_ms, k)),
                sorted(one, key=lambda k: (-self._share([k]), k)),
                sorted(one, key=lambda k: (one[k].subnet, one[k].first, k))]

    def _grouped(self, order: Sequence[int]) -> list[list[int]]:
        groups: list[list[int]] = []
        for k in order:
            self._put(groups, k)
        for _ in range(PASSES):
            if not any([self._moved(groups, k) for k in order]):
                break
        return groups

    def _round(self, group: Sequence[int]) -> Round:
        key = tuple(sorted(group))
        if key not in self._known:
            self._known[key] = best_round(self.profile, [self._one[k] for k in key], self.settings.across,
                                          self.settings.realign) if len(key) <= MOST else NEVER
        return self._known[key]

    def _share(self, group: Sequence[int]) -> float:
        if len(group) > 1:
            return self._round(group).share
        # Too much for one share of a device: instances of its own.
        return min(self._round(group).share, self._own(group[0])[0]) if group else 0.0

    def _own(self, k: int) -> tuple[float, tuple[Stage, ...]]:
        return align(self.profile, [(k, self._one[k])], Settings(across=False, realign=False))

    def _put(self, groups: list[list[int]], k: int) -> float:
        """Adds a fragment where that costs least; returns how much."""
        def far(g: list[int]) -> float:
            return min(abs(math.log(self._one[k].budget_ms / self._one[m].budget_ms)) for m in g)

        options = [n for n, g in enumerate(groups) if self.mixed or self._one[g[0]].subnet == self._one[k].subnet]
        near = sorted(options, key=lambda n: far(groups[n]))[:NEAREST]
        costs = [(self._share([*groups[n], k]) - self._share(groups[n]), n) for n in near]
        cost, n = min(costs, default=(math.inf, 0))
        alone = self._share([k])
        if cost >= alone - 1e-9:
            groups.append([k])
            return alone
        groups[n].append(k)
        return cost

    def _moved(self, groups: list[list[int]], k: int) -> bool:
        """Whether a fragment is cheaper in another group, where it is then."""
        before = [list(g) for g in groups]
        home = next(n for n, g in enumerate(groups) if k in g)
        freed = self._share(groups[home])
        groups[home].remove(k)
        freed -= self._share(groups[home])
        if not groups[home]:
            del groups[home]
        if self._put(groups, k) < freed - 1e-9:
            return True
        groups[:] = before
        return False

    def _result(self, fragments: tuple[Fragment, ...], bundles: Sequence[Bundle], groups: Sequence[Sequence[int]],
                refused: tuple[int, ...]) -> Plan:
        stages: list[Stage] = []
        hosts = []
        for g in groups:
            found = self._round(g)
            if len(g) == 1 and self._own(g[0])[0] <= found.share + 1e-9:
                stages += [Stage(subnet=s.subnet, first=s.first, end=s.end, budget_ms=s.budget_ms, rate=s.rate,
                                 fragments=tuple(n for n, _ in bundles[g[0]]), instances=s.instances)
                           for s in self._own(g[0])[1]]
                continue
            key, begin = sorted(g), len(stages)
            for t, size in zip(found.turns, found.sizes, strict=True):
                members = [x for m in t.members for x in bundles[key[m]]]
                stages.append(Stage(
                    subnet=t.subnet, first=t.first, end=t.end, budget_ms=min(f.budget_ms for _, f in members),
                    rate=sum(f.rate for _, f in members), fragments=tuple(n for n, _ in members),
                    instances=Instances(count=1, size=size, share=found.share)))
            hosts.append(Host(stages=tuple(range(begin, len(stages))), sizes=found.sizes, share=found.share))
        return Plan(fragments=fragments, stages=tuple(stages), refused=refused, hosts=tuple(hosts))
