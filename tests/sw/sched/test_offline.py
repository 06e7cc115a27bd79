"""The offline optimum against brute force, and that no online rule beats it."""
from __future__ import annotations

import dataclasses
from itertools import pairwise, product

import pytest
from sched_helpers import by_roofline, table

from nigiri.sched import Query, SchedulerError, StreamSettings, SushiSched, TableServer, query_stream, serve
from nigiri.sched.offline import OfflineOptimum, best_columns
from nigiri.sched.stream import KINDS

TABLE = dataclasses.replace(table(by_roofline, count=5), fill_word_cycles=4.0)


def total(served):
    return sum(s.service_ms for s in served)


@pytest.mark.parametrize("goal", ["strict_accuracy", "strict_latency"])
def test_against_brute_force(goal):
    queries = query_stream(TABLE, StreamSettings(queries=15, kind="random", load=0, seed=3))
    lookup = TABLE.lookup
    plan, cost = best_columns(queries, TABLE, 4, goal=goal)
    assert len(plan) == 4
    if goal == "strict_latency":
        return

    def price(columns):
        cycles = sum(float(lookup.fill_cycles[a, b]) for a, b in pairwise(columns))
        for n, q in enumerate(queries):
            able = [i for i, s in enumerate(TABLE.subnets) if s.accuracy >= q.accuracy]
            cycles += min(int(TABLE.cycles[i, columns[n // 4]]) for i in able)
        return cycles

    best = min(product(range(len(TABLE.subgraphs)), repeat=4), key=price)
    assert cost == pytest.approx(price(best)) == pytest.approx(price(plan))


@pytest.mark.parametrize("kind", KINDS)
def test_no_online_rule_beats_it(kind):
    queries = query_stream(TABLE, StreamSettings(queries=400, kind=kind, phase=50, load=0, seed=5))
    best = serve(queries, OfflineOptimum(queries, period=8), TABLE, TableServer(TABLE))
    expected = best_columns(queries, TABLE, 8)[1] / (TABLE.clock_mhz * 1e3)
    assert total(best) == pytest.approx(expected, rel=0.01)            # cycles of fills are whole in a table server
    for distance in ("vector", "saving"):
        assert total(serve(queries, SushiSched(distance=distance), TABLE, TableServer(TABLE))) >= 0.999 * total(best)


def test_messages(monkeypatch):
    with pytest.raises(SchedulerError, match=r"^the offline optimum needs queries and a period of at least 1, not "
                                             r"0 and 8$"):
        best_columns([], TABLE, 8)
    with pytest.raises(SchedulerError, match=r"^the offline optimum needs queries of one goal, strict_accuracy: "
                                             r"split the "
                                             r"stream$"):
        best_columns([Query(), Query(goal="strict_latency")], TABLE, 1)
    monkeypatch.setattr("nigiri.sched.offline.LIMIT", 50)
    with pytest.raises(SchedulerError, match=r"^the offline optimum over 3 periods and 5 SubGraphs is too large: take "
                                             r"fewer queries or SubGraphs$"):
        best_columns([Query()] * 3, TABLE, 1)
