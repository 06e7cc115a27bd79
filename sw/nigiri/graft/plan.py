"""Plans for many fragments: merge what is uniform, group what is similar, re-align every group (Graft)."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from nigiri.graft.align import Found, Settings, align
from nigiri.graft.fragment import Fragment, Plan, Stage
from nigiri.graft.profile import Profile

__all__ = ["GROUP", "Numbered", "Planner", "as_one", "merge"]

GROUP = 5
"""Most fragments of a group."""
KNOWN = 200_000
"""Groups whose stages are remembered."""
TRIED = 6
"""Nearest groups that a group is tried with."""
NEAR = 1.5
"""Uniform fragments have budgets within this factor."""

Numbered = tuple[int, Fragment]


def merge(profile: Profile, fragments: Sequence[Numbered], settings: Settings) -> list[list[Numbered]]:
    """Fragments of the same SubNet and first layer with similar budgets, together where that is no dearer."""
    by: dict[tuple[str, int], list[Numbered]] = {}
    for x in fragments:
        by.setdefault((x[1].subnet, x[1].first), []).append(x)
    plain = Settings(across=False, realign=False, points=settings.points, grid=settings.grid)
    out: list[list[Numbered]] = []
    for same in by.values():
        now: list[Numbered] = []
        now_cost = 0.0
        for x in sorted(same, key=lambda n: (n[1].budget_ms, n[0])):
            alone = align(profile, [x], plain)[0]
            both = align(profile, [as_one(now, x)], plain)[0] if now else math.inf
            if now and x[1].budget_ms <= NEAR * now[0][1].budget_ms and both <= now_cost + alone + 1e-9:
                now, now_cost = [*now, x], both
                continue
            out += [now] if now else []
            now, now_cost = [x], alone
        out += [now] if now else []
    return out


def as_one(members: Sequence[Numbered], *more: Numbered) -> Numbered:
    """One fragment for several: the smallest budget, the sum of the rates."""
    every = [f for _, f in (*members, *more)]
    first = every[0]
    return (members or more)[0][0], Fragment(
        subnet=first.subnet, first=first.first, budget_ms=min(f.budget_ms for f in every),
        rate=sum(f.rate for f in every), clients=tuple(c for f in every for c in f.clients))


def _distance(profile: Profile, a: Fragment, b: Fragment) -> float:
    """Of first layers, budgets and rates, each by its order of magnitude."""
    layers = max(profile.layers(a.subnet), profile.layers(b.subnet))
    return (2 * abs(a.first - b.first) / layers + abs(math.log(a.budget_ms / b.budget_ms))
            + 0.5 * abs(math.log(a.rate / b.rate)) + (0.5 if a.subnet != b.subnet else 0.0))


@dataclass
class _Group:
    """bundles: merged fragments, each with its members.  found: their stages, by number of a bundle's first member."""

    bundles: list[list[Numbered]]
    found: Found


@dataclass
class Planner:
    """Keeps a plan up to date.

    settings: what is tried.  size: most merged fragments of a group.  merging: uniform fragments may be one.
    """

    profile: Profile
    settings: Settings = field(default_factory=Settings)
    size: int = GROUP
    merging: bool = True
    _groups: list[_Group] = field(default_factory=list)
    _fragments: dict[int, Fragment] = field(default_factory=dict)
    _known: dict[tuple[Numbered, ...], Found] = field(default_factory=dict)

    def plan(self, fragments: Sequence[Fragment]) -> Plan:
        """A plan from scratch."""
        self._fragments = dict(enumerate(fragments))
        self._groups = self._make(list(self._fragments.items()))
        return self._result()

    def update(self, changes: dict[int, Fragment | None]) -> Plan:
        """The plan when some fragments have changed, come (a new number) or gone (None): only groups that had one of
        them are made again."""
        kept, loose = [], []
        for g in self._groups:
            numbers = {n for b in g.bundles for n, _ in b}
            if numbers & changes.keys():
                loose += sorted(numbers - changes.keys())
            else:
                kept.append(g)
        for n, f in changes.items():
            if f is None:
                self._fragments.pop(n, None)
            else:
                self._fragments[n] = f
                loose.append(n)
        if len(self._known) > KNOWN:
            self._known.clear()
        made = self._make([(n, self._fragments[n]) for n in loose])
        # New groups may join old ones, which are as they were otherwise.
        self._groups = self._joined(kept, made) if self.settings.realign or self.settings.across else kept + made
        return self._result()

    def _possible(self, f: Fragment) -> bool:
        return align(self.profile, [(0, f)], Settings(across=False, realign=False))[0] < math.inf

    def _make(self, fragments: Sequence[Numbered]) -> list[_Group]:
        todo = [x for x in fragments if self._possible(x[1])]
        bundles = merge(self.profile, todo, self.settings) if self.merging else [[x] for x in todo]
        if not (self.settings.realign or self.settings.across):
            return [self._solved([b]) for b in bundles]
        return self._joined([], [c for g in self._grouped(bundles) for c in self._connected(self._solved(g))])

    def _solved(self, bundles: list[list[Numbered]]) -> _Group:
        key = tuple(as_one(b) for b in bundles)
        if key not in self._known:
            self._known[key] = align(self.profile, key, self.settings)
        return _Group(bundles, self._known[key])

    def _connected(self, g: _Group) -> list[_Group]:
        """A group as those parts of it that share stages: what stands alone in it may join others."""
        parts: list[set[int]] = []
        for s in g.found[1]:
            touched = [p for p in parts if p & set(s.fragments)]
            parts = [p for p in parts if not p & set(s.fragments)] + [set(s.fragments).union(*touched)]
        if len(parts) < 2:
            return [g]
        return [self._solved([b for b in g.bundles if b[0][0] in p]) for p in parts]

    def _grouped(self, bundles: list[list[Numbered]]) -> list[list[list[Numbered]]]:
        """Greedily: the fragment that begins last, with those nearest to it."""
        left = sorted(bundles, key=lambda b: (-b[0][1].first, b[0][1].budget_ms, b[0][0]))
        out = []
        while left:
            seed = left.pop(0)
            near = [b for b in left if b[0][1].subnet == seed[0][1].subnet]
            near = sorted(near, key=lambda b: (_distance(self.profile, seed[0][1], b[0][1]), b[0][0]))[:self.size - 1]
            left = [b for b in left if not any(b is n for n in near)]
            out.append([seed, *near])
        return out

    def _joined(self, still: list[_Group], fresh: list[_Group]) -> list[_Group]:
        """Groups that are cheaper together become one, as long as there are such; one of each pair is fresh."""
        still, fresh = list(still), sorted(fresh, key=lambda g: (len(g.bundles), g.bundles[0][0][0]))
        while fresh:
            a = fresh.pop(0)
            best: tuple[float, _Group, _Group] | None = None
            for b in self._near(a, still + fresh):
                both = self._solved([*a.bundles, *b.bundles])
                saved = a.found[0] + b.found[0] - both.found[0]
                if saved > 1e-9 and (best is None or saved > best[0]):
                    best = saved, b, both
            if best is None:
                still.append(a)
                continue
            still, fresh = ([g for g in x if g is not best[1]] for x in (still, fresh))
            fresh += self._connected(best[2])
        return still

    def _near(self, a: _Group, others: list[_Group]) -> list[_Group]:
        """Groups that `a` may join, nearest first."""
        one = a.bundles[0][0][1]
        options = [b for b in others if len(a.bundles) + len(b.bundles) <= self.size
                   and (self.settings.across or one.subnet == b.bundles[0][0][1].subnet)]
        return sorted(options, key=lambda b: _distance(self.profile, one, b.bundles[0][0][1]))[:TRIED]

    def _result(self) -> Plan:
        numbers = sorted(self._fragments)
        place = {n: k for k, n in enumerate(numbers)}
        stages: list[Stage] = []
        for g in self._groups:
            members = {b[0][0]: tuple(place[n] for n, _ in b) for b in g.bundles}
            stages += [Stage(subnet=s.subnet, first=s.first, end=s.end, budget_ms=s.budget_ms, rate=s.rate,
                             fragments=tuple(m for f in s.fragments for m in members[f]), instances=s.instances)
                       for s in g.found[1]]
        served = {f for s in stages for f in s.fragments}
        whole = {k for k, n in enumerate(numbers)
                 if self._fragments[n].first >= self.profile.layers(self._fragments[n].subnet)}
        return Plan(fragments=tuple(self._fragments[n] for n in numbers), stages=tuple(stages),
                    refused=tuple(k for k in range(len(numbers)) if k not in served and k not in whole))
