"""Policies against tables small enough to check by hand."""
from __future__ import annotations

import numpy as np
import pytest
from sched_helpers import LAYERS, NETS, SUBNETS, table

from nigiri.sched import (
    Candidate,
    FixedCache,
    LatencyTable,
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
    assert SushiSched("strict_latency", on_miss="best").decide(Query(latency_ms=5), State(cached=2), TABLE).subnet == 1


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


def test_sushi_averages_the_last_period_subnets_and_takes_the_nearest():
    policy = SushiSched(period=4)
    policy.start(TABLE)
    rows = [policy.decide(Query(accuracy=a), State(), TABLE).subnet for a in (86, 91, 91)]
    last = policy.decide(Query(accuracy=91), State(), TABLE)
    mean = (vector(NETS["min"], LAYERS) + 3 * vector(NETS["max"], LAYERS)) / 4
    assert (rows, last.subnet) == ([0, 2, 2], 2)
    assert np.allclose(policy.average(TABLE), mean)
    nearest = min(range(3), key=lambda j: np.linalg.norm(vector(GRAPHS[j].boxes, LAYERS) - mean))
    assert (0 if last.load is None else last.load) == nearest


def test_average_forgets_what_is_older_than_the_period():
    policy = SushiSched(period=2)
    policy.start(TABLE)
    for a in (91, 91, 0, 0):
        policy.decide(Query(accuracy=a), State(), TABLE)
    assert np.allclose(policy.average(TABLE), vector(NETS["min"], LAYERS))


def test_saving_does_not_load_what_saves_nothing():
    nothing = hand([[10, 10, 10], [20, 19, 19], [30, 29, 29]])
    flat = decisions(SushiSched(period=1, distance="saving", initial=0, horizon=1), [0] * 3, nothing)
    assert [load for _, load in flat] == [None] * 3
    even = hand([[10, 9, 9], [20, 19, 19], [30, 29, 29]])
    got = decisions(SushiSched(period=4, distance="saving", initial=0), [91] * 40, even)
    assert sum(load is not None for _, load in got) == 1


def test_start_forgets():
    policy = SushiSched(period=3)
    first = decisions(policy, [86, 88, 91, 91, 91, 86])
    assert decisions(policy, [86, 88, 91, 91, 91, 86]) == first


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SushiSched("fast"), r"^goal must be 'strict_accuracy' or 'strict_latency', not 'fast'$"),
    (lambda: NoCache(on_miss="skip"), r"^on_miss must be 'raise' or 'best', not 'skip'$"),
    (lambda: SushiSched(period=0), r"^period must be at least 1 query, not 0$"),
    (lambda: SushiSched(distance="x"), r"^distance must be 'vector' or 'saving', not 'x'$"),
    (lambda: SushiSched(horizon=0),
     r"^bytes_weight must not be negative and horizon must be positive, not 0\.02 and 0$"),
    (lambda: SushiSched(initial=7).start(TABLE), r"^initial must be between 0 and 2, not 7$"),
    (lambda: FixedCache(column=3).start(TABLE), r"^column must be between 0 and 2, not 3$"),
])
def test_messages(make, message):
    with pytest.raises(SchedulerError, match=message):
        make()


def test_table_helper_is_consistent():
    assert (table().cycles[:, 0] >= table().cycles.min(axis=1)).all()
