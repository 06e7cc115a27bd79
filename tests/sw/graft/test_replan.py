"""Following clients whose bandwidth changes, and clients that keep their cut."""
import importlib.util
from pathlib import Path

import pytest

from nigiri.graft.check import check
from nigiri.graft.clients import clients, fragment_at
from nigiri.graft.compare import METHODS, floor, measured, static
from nigiri.graft.plan import Planner
from nigiri.graft.replan import Follower
from nigiri.traffic.bandwidth import synthetic

spec = importlib.util.spec_from_file_location("graft_profiles", Path(__file__).with_name("test_rounds.py"))
rounds = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rounds)
OWN = {s: [3.0] * rounds.LAYERS for s in "ab"}


def some(count=20, seed=0):
    return clients(rounds.profile(), OWN, [synthetic("lte", 120, n) for n in range(2)], count, seed)


def test_only_what_changed_is_touched():
    p, many = rounds.profile(), some()
    follower = Follower(Planner(p))
    now = {c.number: f for c in many if (f := fragment_at(p, c, c.trace.at(0)))}
    first = follower.follow(now)
    assert first.made == len(first.plan.stages) and first.fragments == len(now)
    again = follower.follow(now)
    assert (again.fragments, again.made, again.dropped) == (0, 0, 0) and again.kept == first.made
    gone = dict(list(now.items())[1:])
    less = follower.follow(gone)
    assert less.fragments == 1 and less.kept > 0
    assert len(less.plan.fragments) == len(gone) and less.clients == tuple(sorted(gone))
    check(p, less.plan)


@pytest.mark.parametrize("slack", [1.0, 1.1, 1.25])
def test_planned_budgets_are_never_longer(slack):
    follower = Follower(Planner(rounds.profile()), slack)
    for f in rounds.drawn(3, 30):
        planned = follower.planned(f)
        assert f.budget_ms / slack - 1e-6 <= planned.budget_ms <= f.budget_ms


def test_a_client_stays_while_another_cut_is_hardly_better():
    p, c = rounds.profile(), some(1)[0]
    best = fragment_at(p, c, 50.0)
    near = fragment_at(p, c, 50.0, best.first + 1)
    far = fragment_at(p, c, 50.0, rounds.LAYERS)
    assert fragment_at(p, c, 50.0, best.first).first == best.first
    assert far.first == best.first
    assert near.first in (best.first, best.first + 1)


def test_methods_are_measured_alike():
    p, many = rounds.profile(), some(12)
    fixed = static(p, many)
    assert all(c.fixed is not None for c in fixed)
    got = {m.name: measured(m, p, p, fixed if m.static else many, [0.0, 50.0], 1.0) for m in METHODS}
    assert got["graft"]["devices"] <= got["merged"]["devices"] + 1e-9 <= got["alone"]["devices"] + 1e-8
    assert got["rounds"]["devices"] <= got["alone"]["devices"]
    for r in got.values():
        assert r["sliced"] >= 0.99 and r["whole"] >= 0.99 and 1 <= r["needed"] <= r["placed"]
    fragments = [f for c in many if (f := fragment_at(p, c, c.trace.at(c.offset_s)))]
    assert floor(p, fragments) <= Planner(p).plan(fragments).total
