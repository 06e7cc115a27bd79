"""Rounds: the tree of a group's layers, plans of time shares that walk through it, their checks and replays."""
import random
from dataclasses import replace

import numpy as np
import pytest

from nigiri.graft.align import Settings
from nigiri.graft.check import BadPlan, check
from nigiri.graft.costs import costs
from nigiri.graft.fragment import Fragment, instances
from nigiri.graft.optimum import best_rounds
from nigiri.graft.place import place, shares, spread
from nigiri.graft.plan import Planner
from nigiri.graft.profile import LAUNCH_MS, SIZES, Profile
from nigiri.graft.roundplan import RoundPlanner
from nigiri.graft.rounds import best_round, tree
from nigiri.graft.simulate import needed, replay
from nigiri.runtime.errors import BadArgument

LAYERS = 12
ALONE = Settings(across=False, realign=False)


def profile(each=0.1, fork=6, byte_ms=0.0):
    rows = np.array([[(0.02 + each * size) * n for n in range(LAYERS + 1)] for size in SIZES])
    return Profile(name="made up", ms={s: rows for s in "abc"}, cuts={s: tuple(range(LAYERS + 1)) for s in "abc"},
                   ids={s: tuple(f"{n}{s if n >= fork else ''}" for n in range(LAYERS)) for s in "abc"},
                   nbytes={s: (1000,) * (LAYERS + 1) for s in "abc"}, byte_ms=byte_ms)


def fragment(subnet, first, budget=30.0, rate=2.0, clients=(0,)):
    return Fragment(subnet=subnet, first=first, budget_ms=budget, rate=rate, clients=clients)


def drawn(seed, count):
    rng = random.Random(seed)
    return [fragment(rng.choice("abc"), rng.choice((0, 2, 3, 8)), rng.uniform(8, 60), rng.uniform(1, 20), (n,))
            for n in range(count)]


def test_tree_of_layers():
    group = [fragment("a", 0), fragment("a", 3), fragment("b", 0), fragment("b", 8)]
    got = [(t.first, t.end, t.members) for t in tree(profile(), group)]
    assert got == [(0, 3, (0, 2)), (3, 6, (0, 1, 2)), (6, 12, (0, 1)), (6, 8, (2,)), (8, 12, (2, 3))]
    apart = [(t.subnet, t.first, t.end, t.members) for t in tree(profile(), group, across=False)]
    assert apart == [("a", 0, 3, (0,)), ("a", 3, 12, (0, 1)), ("b", 0, 8, (2,)), ("b", 8, 12, (2, 3))]


@pytest.mark.parametrize("seed", range(6))
def test_tree_covers_every_layer_once_and_in_order(seed):
    group = drawn(seed, 7)
    for across in (True, False):
        turns = tree(profile(fork=random.Random(seed).randrange(12)), group, across)
        for n, f in enumerate(group):
            mine = [t for t in turns if n in t.members]
            assert [x for t in mine for x in range(t.first, t.end)] == list(range(f.first, LAYERS))


def test_a_round_of_one_is_the_rule_of_graft():
    p = profile()
    for budget in (5.0, 12.0, 40.0):
        alone = instances(p, "a", 2, LAYERS, budget, 3.0)
        assert best_round(p, [fragment("a", 2, budget, 3.0)]).share == pytest.approx(alone.total)


def test_joining_costs_no_budget_in_a_round():
    """Two first layers with stages of their own split the budget; in a round they pass both."""
    p = profile()
    group = [fragment("a", 0, rate=0.5), fragment("a", 6, rate=0.5)]
    apart = Planner(p, Settings(across=False)).plan(group).total
    assert best_round(p, group, across=False).share < apart


@pytest.mark.parametrize("seed", range(3))
def test_plans_hold_and_are_the_same_again(seed):
    p, fragments = profile(byte_ms=1e-5), drawn(seed, 16)
    plan = RoundPlanner(p).plan(fragments)
    check(p, plan)
    assert not plan.refused and plan.hosts
    assert plan.total <= Planner(p, ALONE, merging=False).plan(fragments).total + 1e-9
    assert plan.total <= RoundPlanner(p, mixed=False, settings=Settings(across=False)).plan(fragments).total + 0.05
    assert plan == RoundPlanner(p).plan(fragments)
    for whole in (False, True):
        assert replay(p, plan, 3.0, seed, whole).attainment > 0.99
    placed = place(plan)
    assert all(0 < s <= 1 + 1e-9 for s in shares(placed)) and sum(shares(placed)) == pytest.approx(plan.total)
    few = needed(p, plan, 2.0)
    assert 1 <= few <= len(placed.devices)
    assert sum(shares(spread(plan, few))) == pytest.approx(plan.total)


def test_one_subnet_in_a_share():
    fragments = drawn(1, 12)
    plan = RoundPlanner(profile(), Settings(across=False), mixed=False).plan(fragments)
    assert all(len({plan.stages[n].subnet for n in h.stages}) == 1 for h in plan.hosts)


@pytest.mark.parametrize("seed", range(4))
def test_against_the_best_rounds(seed):
    p, fragments = profile(), drawn(seed, 5)
    best, mine = best_rounds(p, fragments), RoundPlanner(p).plan(fragments).total
    print(f"seed {seed}: best {best:.2f}, planned {mine:.2f}")
    assert best <= mine + 1e-9 <= 1.25 * best
    with pytest.raises(BadArgument, match="at most 6 fragments"):
        best_rounds(p, drawn(0, 7))


def test_the_checker_sees_faults_of_hosts():
    p, fragments = profile(), drawn(2, 10)
    plan = RoundPlanner(p).plan(fragments)
    big = max(plan.hosts, key=lambda h: len(h.stages))
    others = tuple(h for h in plan.hosts if h is not big)
    with pytest.raises(BadPlan, match=r"in the worst case|cannot keep up"):
        check(p, replace(plan, hosts=(*others, replace(big, share=big.share / 2))))
    with pytest.raises(BadPlan, match="a stage is in two hosts"):
        check(p, replace(plan, hosts=(*plan.hosts, big)))


def test_too_much_for_a_share_gets_instances_of_its_own():
    p = profile()
    plan = RoundPlanner(p).plan([fragment("a", 0, 40.0, 2000.0), fragment("b", 3)])
    check(p, plan)
    assert any(s.instances.count > 1 for _, s in plan.own)


def test_prices_of_many_stages_are_those_of_single_ones():
    p, rng = profile(byte_ms=2e-5), random.Random(5)
    for _ in range(20):
        first, rate, streams = rng.randrange(6), rng.choice((1.0, 30.0, 900.0)), rng.randrange(1, 9)
        ends = np.array(sorted(rng.sample(range(6, LAYERS + 1), 3)))
        budgets = np.array([[rng.uniform(0.5, 40) for _ in range(4)] for _ in ends])
        got = costs(p, "a", first, ends, budgets, rate, streams)
        for (i, k), value in np.ndenumerate(got):
            one = instances(p, "a", first, int(ends[i]), float(budgets[i, k]), rate, streams)
            assert value == pytest.approx(one.total if one else np.inf)


def test_transfers_at_cuts():
    p = profile(byte_ms=1e-4)
    assert p.latency("a", 0, LAYERS, 1) == pytest.approx(1.44 + LAUNCH_MS)
    assert p.latency("a", 0, 6, 1) == pytest.approx(0.72 + 0.1 + LAUNCH_MS)
    assert p.latency("a", 3, 6, 4) == pytest.approx(3 * 0.42 + 4 * 0.2 + LAUNCH_MS)
