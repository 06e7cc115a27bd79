"""Merging, grouping, re-alignment, placement, re-planning and replay, on profiles made up here."""
import random
from dataclasses import replace

import numpy as np
import pytest

from nigiri.graft.align import Settings, align
from nigiri.graft.check import BadPlan, check
from nigiri.graft.clients import Client, clients, fragment_at, fragments_at
from nigiri.graft.fragment import Fragment, Plan, instances
from nigiri.graft.optimum import optimum
from nigiri.graft.place import place, shares
from nigiri.graft.plan import Planner, merge
from nigiri.graft.profile import LAUNCH_MS, SIZES, Profile
from nigiri.graft.simulate import replay
from nigiri.runtime.errors import BadArgument
from nigiri.traffic.bandwidth import Bandwidths, synthetic

ALONE = Settings(across=False, realign=False)
LAYERS = 12


def profile(start=0.3, each=0.1, subnets=("a", "b"), fork=6):
    """Layers that take `start` / 12 of a launch and `each` of an image; SubNets are equal up to layer `fork`."""
    one = np.array([[(start / LAYERS + each * size) * n for n in range(LAYERS + 1)] for size in SIZES])
    return Profile(name="made up", ms={s: one for s in subnets}, cuts={s: tuple(range(LAYERS + 1)) for s in subnets},
                   ids={s: tuple(f"{n}{s if n >= fork else ''}" for n in range(LAYERS)) for s in subnets},
                   nbytes={s: tuple(4000 - 300 * n for n in range(LAYERS + 1)) for s in subnets})


def drawn(seed, count, subnets=("a", "b")):
    rng = random.Random(seed)
    return [Fragment(subnet=rng.choice(subnets), first=rng.choice((0, 2, 3, 5, 8)), budget_ms=rng.uniform(8, 60),
                     rate=rng.uniform(1, 20), clients=(n,)) for n in range(count)]


def test_share_of_a_stage():
    p = profile()
    alone = 0.3 + 12 * 0.1 + LAUNCH_MS
    found = instances(p, "a", 0, LAYERS, 20.0, 1.0)
    assert (found.count, found.size) == (1, 1) and found.share == pytest.approx(np.ceil(200 * alone / 20) / 100)
    busy = instances(p, "a", 0, LAYERS, 20.0, 2000.0)
    assert busy.count > 1 and busy.total >= 2000 * 1.2e-3
    assert instances(p, "a", 0, LAYERS, 2.0, 1.0) is None
    assert instances(p, "a", LAYERS, LAYERS, 1.0, 1.0).total == 0


@pytest.mark.parametrize("seed", range(4))
def test_every_plan_holds_and_none_is_dearer(seed):
    p, fragments = profile(), drawn(seed, 16)
    totals = []
    for planner in (Planner(p, ALONE, merging=False), Planner(p, ALONE), Planner(p, Settings(across=False)),
                    Planner(p)):
        plan = planner.plan(fragments)
        check(p, plan)
        assert not plan.refused
        assert sorted({n for s in plan.stages for n in s.fragments}) == list(range(16))
        totals.append(plan.total)
        assert replay(p, plan, 2.0, seed).attainment > 0.99
    assert totals[1] <= totals[0] + 1e-9 and totals[2] <= totals[1] + 1e-9
    assert totals[3] <= totals[1] + 1e-9
    assert totals[2] < 0.9 * totals[0]


def test_merging_keeps_rates_and_the_smallest_budget():
    p, fragments = profile(), drawn(3, 30)
    plan = Planner(p, ALONE).plan(fragments)
    for s in plan.stages:
        members = [fragments[n] for n in s.fragments]
        assert s.rate == pytest.approx(sum(f.rate for f in members), rel=1e-6)
        assert s.budget_ms == min(f.budget_ms for f in members)
        assert len({(f.subnet, f.first) for f in members}) == 1
    bundles = merge(p, list(enumerate(fragments)), ALONE)
    assert sorted(n for b in bundles for n, _ in b) == list(range(30))


def test_realignment_joins_different_first_layers():
    """Slow clients that would take a share each for their budgets alone."""
    p = profile()
    pair = [(n, Fragment(subnet="a", first=first, budget_ms=30, rate=1, clients=(n,)))
            for n, first in enumerate((0, 1, 1, 2))]
    alone = align(p, pair, ALONE)[0]
    total, stages = align(p, pair, Settings(across=False))
    assert total < alone
    assert any(len(s.fragments) > 2 and s.end == LAYERS for s in stages)


def test_prefixes_of_different_subnets_join():
    """With dear launches and late forks the common layers are worth sharing, and only they are shared."""
    p = profile(start=20.0, each=0.01, fork=11)
    pair = [(n, Fragment(subnet=s, first=0, budget_ms=400, rate=1)) for n, s in enumerate("ab")]
    apart = align(p, pair, Settings(across=False))[0]
    total, stages = align(p, pair, Settings())
    assert total < apart
    assert [s.end for s in stages if s.fragments == (0, 1)] == [11]
    assert p.common(["a", "b"]) == 11


@pytest.mark.parametrize("seed", range(4))
def test_against_the_optimum(seed):
    p, fragments = profile(), drawn(seed, 4, ("a",))
    plan = Planner(p, Settings(across=False)).plan(fragments)
    best = optimum(p, fragments, plan, points=1, seconds=120)
    alone = Planner(p, ALONE, merging=False).plan(fragments).total
    print(f"seed {seed}: optimum {best.total:.2f}, planned {plan.total:.2f}, alone {alone:.2f}")
    assert best.bound == pytest.approx(best.total, abs=1e-4)
    assert best.total <= plan.total + 1e-6 <= alone + 1e-5
    assert plan.total <= 1.15 * best.total


def test_optimum_refuses():
    p = profile()
    nothing = Plan(fragments=(), stages=())
    with pytest.raises(BadArgument, match="at most 6 fragments can be found, not of 7"):
        optimum(p, drawn(0, 7), nothing)
    late = [Fragment(subnet="a", first=0, budget_ms=0.5, rate=1)]
    with pytest.raises(BadArgument, match="cannot be served by a whole device"):
        optimum(p, late, Planner(p).plan(late))


def test_what_cannot_be_served_is_refused():
    p = profile()
    plan = Planner(p).plan([Fragment(subnet="a", first=0, budget_ms=1.0, rate=1), *drawn(1, 5)])
    assert plan.refused == (0,)
    check(p, plan)
    assert replay(p, plan, 3.0).attainment < 1
    with pytest.raises(BadArgument, match="a positive budget and a positive rate, not 0, -1 ms and 1 a second"):
        Fragment(subnet="a", first=0, budget_ms=-1, rate=1)


def test_the_checker_sees_every_fault():
    p, fragments = profile(), drawn(2, 4, ("a",))
    plan = Planner(p, ALONE, merging=False).plan(fragments)
    one = plan.stages[0]

    def broken(**fields):
        return replace(plan, stages=(replace(one, **fields), *plan.stages[1:]))

    slow = replace(one.instances, share=one.instances.share / 2)
    for bad, text in ((broken(first=one.first + 1), "its next stage begins at"),
                      (broken(end=LAYERS - 1), "ends at layer"), (broken(instances=slow), "in the worst case"),
                      (broken(instances=replace(one.instances, count=0)), "cannot keep up")):
        with pytest.raises(BadPlan, match=text):
            check(p, bad)


@pytest.mark.parametrize("seed", range(3))
def test_replanning_makes_only_what_changed_anew(seed):
    p, rng = profile(), random.Random(seed)
    planner = Planner(p)
    first = planner.plan(drawn(seed, 20))
    fragments = dict(enumerate(first.fragments))
    for _ in range(4):
        n = rng.choice(sorted(fragments))
        changes = {n: replace(fragments[n], first=rng.choice((0, 3, 8))),
                   100 + rng.randrange(9): drawn(rng.random(), 1)[0]}
        gone = rng.choice([k for k in fragments if k != n])
        changes[gone] = None
        groups = {id(g) for g in planner._groups}
        plan = planner.update(changes)
        assert len(groups & {id(g) for g in planner._groups}) > 0
        fragments |= {k: f for k, f in changes.items() if f}
        fragments.pop(gone, None)
        assert list(plan.fragments) == [fragments[k] for k in sorted(fragments)]
        check(p, plan)
        assert plan.total <= 1.5 * Planner(p).plan(list(plan.fragments)).total


def test_placement_fills_devices():
    p = profile()
    plan = Planner(p, ALONE, merging=False).plan(drawn(5, 30))
    placed = place(plan)
    assert all(0 < s <= 1 + 1e-9 for s in shares(placed))
    assert sum(shares(placed)) == pytest.approx(plan.total)
    assert plan.total <= len(placed.devices) <= 1.7 * plan.total + 1
    assert place(Plan(fragments=(), stages=())).devices == ()


def test_clients_cut_where_an_image_is_soonest():
    p = profile()
    c = Client(number=0, subnet="a", client_ms=(4.0,) * LAYERS, slo_ms=40.0, rate=2.0, offset_s=0,
               trace=Bandwidths(name="x", mbit_s=(10.0,)))
    for rate in (0.05, 0.5, 2.0, 20.0):
        got = fragment_at(p, c, rate)
        ends = []
        for cut in range(LAYERS + 1):
            sent = 0 if cut == LAYERS else 6 + 8e-3 * p.nbytes["a"][cut] / rate
            if 40 - 4 * cut - sent > 0:
                ends.append((4 * cut + sent + (p.latency("a", cut, LAYERS, 1) if cut < LAYERS else 0), cut))
        assert (got.first if got else None) == (min(ends)[1] if ends else None)
    assert fragment_at(p, replace(c, fixed=3), 20.0).first == 3
    assert fragment_at(p, replace(c, fixed=3), 0.01) is None
    many = clients(p, {"a": [4.0] * LAYERS, "b": [4.0] * LAYERS}, [synthetic("lte", 60)], 20)
    found, missed = fragments_at(p, many, 5.0)
    assert len(found) + missed == 20
    assert many == clients(p, {"a": [4.0] * LAYERS, "b": [4.0] * LAYERS}, [synthetic("lte", 60)], 20)
