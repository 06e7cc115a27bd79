"""Policies against tables small enough to check by hand."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sched_helpers import LAYERS, NETS, SUBNETS, table

from nigiri.sched import (
    REFUSED,
    Candidate,
    ExpectedSaving,
    FixedCache,
    LatencyTable,
    NearestVector,
    NoCache,
    Query,
    SchedulerError,
    State,
    SushiSched,
    UnreachableAccuracy,
    UnreachableLatency,
)
from nigiri.sched.policy import choose_subnet, state_unaware
from nigiri.sched.subgraph import vector

GRAPHS = (Candidate("empty", {}), Candidate("small", {4: (20, 10, 1)}),
          Candidate("tall", {1: (15, 5, 1), 3: (10, 12, 1)}))


def hand(cycles) -> LatencyTable:
    """Rows min, mid, max; columns empty, small, tall; 1 cycle is 1 ms."""
    return LatencyTable(layers=LAYERS, subnets=SUBNETS, subgraphs=GRAPHS, cycles=np.array(cycles), clock_mhz=1e-3,
                        capacity=200, origin=(("test",) * 3,) * 3)


TABLE = hand([[10, 6, 9], [20, 18, 8], [30, 29, 26]])


@pytest.mark.parametrize(("accuracy", "cached", "row"), [
    (0, 0, 0), (86, 0, 0), (86.1, 0, 1), (0, 2, 1), (88.5, 2, 1), (90, 2, 2), (91, 0, 2)])
def test_strict_accuracy_takes_the_fastest_that_is_accurate_enough(accuracy, cached, row):
    assert choose_subnet(Query(accuracy=accuracy), cached, TABLE, "strict_accuracy", "raise") == row


@pytest.mark.parametrize(("latency", "cached", "row"), [
    (10, 0, 0), (19, 0, 0), (20, 0, 1), (19, 1, 1), (8, 2, 1), (26, 2, 2), (29, 0, 1), (1000, 0, 2)])
def test_strict_latency_takes_the_most_accurate_that_is_fast_enough(latency, cached, row):
    assert choose_subnet(Query(latency_ms=latency), cached, TABLE, "strict_latency", "raise") == row


def test_unreachable_targets_name_the_best():
    with pytest.raises(UnreachableAccuracy, match=r"^no SubNet reaches 99\.00 % accuracy: the best is 'max' with "
                                                  r"91\.00 %; ask for less, or serve the best with on_miss='best'$"):
        NoCache().decide(Query(accuracy=99), State(), TABLE)
    with pytest.raises(UnreachableLatency, match=r"^no SubNet answers within 5\.000 ms: the fastest is 'min' with "
                                                 r"6\.000 ms while the cache holds 'small'; allow more time, or "
                                                 r"serve the fastest with on_miss='best'$"):
        FixedCache("strict_latency").decide(Query(latency_ms=5), State(cached=1), TABLE)


def test_on_miss_best_serves_the_best():
    assert NoCache(on_miss="best").decide(Query(accuracy=99), State(), TABLE).subnet == 2
    policy = SushiSched("strict_latency", on_miss="best")
    policy.start(TABLE)
    assert policy.decide(Query(latency_ms=5), State(cached=2), TABLE).subnet == 1


def test_on_miss_refuse_turns_the_query_away():
    assert NoCache(on_miss="refuse").decide(Query(accuracy=99), State(), TABLE) == REFUSED
    policy = SushiSched("strict_latency", on_miss="refuse")
    policy.start(TABLE)
    assert policy.decide(Query(latency_ms=5), State(cached=2), TABLE).refused
    assert not policy.decide(Query(latency_ms=8), State(cached=2), TABLE).refused


def test_a_query_may_bring_its_own_goal():
    q = Query(accuracy=91, latency_ms=19, goal="strict_latency")
    assert NoCache().decide(q, State(), TABLE).subnet == 0
    assert NoCache("strict_latency").decide(q._replace(goal="strict_accuracy"), State(), TABLE).subnet == 2


def test_a_running_fill_is_waited_for_or_passed_by():
    busy = dataclasses.replace(TABLE, memory_word_cycles=100)           # a fill beside a query makes no progress

    def got(state, table=TABLE, **target):
        d = NoCache("strict_latency" if "latency_ms" in target else "strict_accuracy").decide(Query(**target), state,
                                                                                              table)
        return d.subnet, d.wait

    assert got(State(cached=1, fill_ms=3), accuracy=0) == (0, False)              # 3 + 6 > 10 - 4 x 0.7
    assert got(State(cached=1, fill_ms=3), busy, accuracy=0) == (0, True)         # 3 + 6 < 10 + 3
    assert got(State(cached=1, fill_ms=50), busy, accuracy=0) == (0, True)        # the fill has to be paid anyway
    assert got(State(cached=2, fill_ms=1), latency_ms=9) == (1, True)             # 1 + 8
    assert got(State(cached=2, fill_ms=15), latency_ms=20) == (1, False)          # only beside: at most 20
    assert got(State(cached=2, fill_ms=2), latency_ms=28) == (2, True)            # 2 + 26
    assert got(State(cached=2, fill_ms=4), latency_ms=30) == (2, False)           # 4 + 26 > 30 - 4 x 26 / 30
    assert got(State(cached=2, fill_ms=4), busy, latency_ms=30) == (2, True)


def test_latency_beside_a_fill():
    lookup = dataclasses.replace(TABLE, memory_word_cycles=0).lookup
    assert lookup.beside_ms[2] == 30
    assert [lookup.beside(2, 2, f) for f in (0, 15, 30, 99)] == [26, 28, 30, 30]


def test_fixed_cache_is_the_one_of_the_middle_subnet():
    assert state_unaware(TABLE) == 2
    assert FixedCache().start(TABLE) == 2
    assert FixedCache(column=1).start(TABLE) == 1
    assert NoCache().start(TABLE) == 0


def decisions(policy, accuracies, table=TABLE):
    """(rows, column loaded after each query), with the cache following the decisions."""
    cached, out = policy.start(table), []
    for n, a in enumerate(accuracies):
        d = policy.decide(Query(accuracy=a), State(cached=cached, served=n), table)
        cached = cached if d.load is None else d.load
        out.append((d.subnet, d.load))
    return out


def test_sushi_decides_every_period_queries_and_only_changes():
    got = decisions(SushiSched(period=3, distance="saving", initial=0), [91] * 9)
    assert got == [(2, None), (2, None), (2, 2), *[(2, None)] * 6]
    got = decisions(SushiSched(period=2, distance="saving", initial=0), [0, 0, 91, 91])
    assert got == [(0, None), (0, 1), (2, None), (2, 2)]


@pytest.mark.parametrize("kernels", [True, False])
def test_vector_averages_the_last_period_subnets_and_takes_the_nearest(kernels):
    policy = SushiSched(period=4, distance=NearestVector(kernels=kernels))
    policy.start(TABLE)
    keep = [n for n in range(3 * len(LAYERS)) if kernels or n % 3 < 2]
    for accuracies in ((86, 91, 91, 91), (0, 0, 0, 88.5), (91, 91, 91, 91)):      # each period forgets the one before
        rows = [policy.decide(Query(accuracy=a), State(), TABLE) for a in accuracies]
        mean = np.mean([vector(NETS[TABLE.subnets[d.subnet].name], LAYERS)[keep] for d in rows], axis=0)
        nearest = min(range(3), key=lambda j: np.linalg.norm(vector(GRAPHS[j].boxes, LAYERS)[keep] - mean))
        assert [d.load for d in rows[:3]] == [None] * 3
        assert (rows[3].load or 0) == nearest


def test_saving_does_not_load_what_saves_nothing():
    nothing = hand([[10, 10, 10], [20, 19, 19], [30, 29, 29]])
    policy = SushiSched(period=1, distance=ExpectedSaving(bytes_weight=0), initial=0)
    assert [load for _, load in decisions(policy, [0] * 3, nothing)] == [None] * 3
    even = hand([[10, 9, 9], [20, 19, 19], [30, 29, 29]])
    got = decisions(SushiSched(period=4, distance="saving", initial=0), [91] * 40, even)
    assert sum(load is not None for _, load in got) == 1


def test_saving_weighs_the_fill_against_the_horizon():
    # The small SubGraph saves 4 cycles a query and takes 20 to load: at once for a long horizon, else when it would
    # have saved as much.
    slow = dataclasses.replace(TABLE, fill_word_cycles=0.1)
    for horizon, first in ((2, 5), (20, 1)):
        policy = SushiSched(period=2, distance=ExpectedSaving(horizon=horizon, bytes_weight=0), initial=0)
        assert [n for n, (_, load) in enumerate(decisions(policy, [0] * 12, slow)) if load is not None] == [first]


def test_saving_looks_at_targets_not_at_what_served_them():
    # With the third SubGraph `mid` is faster than `min`: it is worth loading although `mid` never served.
    t = hand([[10, 9, 9], [20, 18, 2], [30, 29, 26]])
    got = decisions(SushiSched(period=2, distance=ExpectedSaving(bytes_weight=0), initial=0), [0, 0, 0], t)
    assert got == [(0, None), (0, 2), (1, None)]


def test_start_forgets():
    policy = SushiSched(period=3)
    first = decisions(policy, [86, 88, 91, 91, 91, 86])
    assert decisions(policy, [86, 88, 91, 91, 91, 86]) == first


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SushiSched("fast"), r"^goal must be 'strict_accuracy' or 'strict_latency', not 'fast'$"),
    (lambda: NoCache(on_miss="skip"), r"^on_miss must be 'raise', 'best' or 'refuse', not 'skip'$"),
    (lambda: SushiSched(period=0), r"^period must be at least 1 query, not 0$"),
    (lambda: SushiSched(distance="x"), r"^distance must be 'vector' or 'saving', not 'x'$"),
    (lambda: ExpectedSaving(horizon=0), r"^memory and long_memory must be at least 0 and below 1, horizon "
                                        r"positive and bytes_weight not negative, not 0\.5, 0\.97, 0 and 0\.02$"),
    (lambda: SushiSched(initial=7).start(TABLE), r"^initial must be between 0 and 2, not 7$"),
    (lambda: FixedCache(column=3).start(TABLE), r"^column must be between 0 and 2, not 3$"),
])
def test_messages(make, message):
    with pytest.raises(SchedulerError, match=message):
        make()


def test_table_helper_is_consistent():
    assert (table().cycles[:, 0] >= table().cycles.min(axis=1)).all()
