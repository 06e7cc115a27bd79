"""Streams served from a table: promises kept, accounting, determinism, and that the scheduler pays."""
from __future__ import annotations

from itertools import pairwise

import pytest
from sched_helpers import by_hits, by_roofline, table

from nigiri.sched import (
    Execution,
    FixedCache,
    NoCache,
    Query,
    SchedulerError,
    StreamSettings,
    SushiSched,
    TableServer,
    query_stream,
    serve,
    summarise,
)

TABLE = table(by_roofline, count=12)
STREAM = query_stream(TABLE, StreamSettings(queries=300, phase=40, seed=7))


def policies(goal):
    return [NoCache(goal), FixedCache(goal), *(SushiSched(goal, period=q, distance=d)
                                               for q in (1, 4, 8) for d in ("vector", "saving"))]


@pytest.mark.parametrize("policy", policies("strict_accuracy"), ids=lambda p: p.name)
def test_strict_accuracy_keeps_its_promise(policy):
    served = serve(STREAM, policy, TABLE, TableServer(TABLE))
    assert len(served) == 300
    assert all(TABLE.subnets[s.subnet].accuracy >= s.query.accuracy for s in served)
    assert summarise(served, TABLE).accuracy_met == 100


@pytest.mark.parametrize("policy", policies("strict_latency"), ids=lambda p: p.name)
def test_strict_latency_keeps_its_promise(policy):
    served = serve(STREAM, policy, TABLE, TableServer(TABLE))
    assert all(s.service_ms <= s.query.latency_ms for s in served)
    assert summarise(served, TABLE).latency_met == 100


def test_stream_is_deterministic_and_its_targets_change():
    again = query_stream(TABLE, StreamSettings(queries=300, phase=40, seed=7))
    assert again == STREAM
    assert query_stream(TABLE, StreamSettings(queries=300, phase=40, seed=8)) != STREAM
    arrivals = [q.arrival_s for q in STREAM]
    assert arrivals == sorted(arrivals) and arrivals[0] > 0
    rows = [s.subnet for s in serve(STREAM, NoCache(), TABLE, TableServer(TABLE))]
    assert set(rows) == {0, 1, 2}
    changes = sum(a != b for a, b in pairwise(rows))
    assert changes < 100                                    # phases, not coin tosses
    assert len({q.image for q in STREAM}) == 300


def test_serving_twice_gives_the_same():
    policy = SushiSched(period=4)
    assert serve(STREAM, policy, TABLE, TableServer(TABLE)) == serve(STREAM, policy, TABLE, TableServer(TABLE))


def test_sushi_beats_no_cache_at_equal_accuracy():
    none, fixed, sushi = (summarise(serve(STREAM, p, TABLE, TableServer(TABLE)), TABLE)
                          for p in (NoCache(), FixedCache(), SushiSched(distance="saving")))
    assert sushi.served_accuracy >= none.served_accuracy
    assert sushi.mean_latency_ms < none.mean_latency_ms
    assert sushi.mean_latency_ms <= fixed.mean_latency_ms * 1.005
    assert sushi.dram_bytes["total"] <= fixed.dram_bytes["total"] * 1.01
    assert sushi.dram_bytes["total"] < none.dram_bytes["total"]
    assert none.dram_bytes["fill"] == none.pb_bytes == none.cache_changes == 0


class Recorder:
    """Serves in 100 cycles; a load delays by 10 and reads 640 bytes."""

    def __init__(self):
        self.loads, self.rows = [], []

    def load(self, column):
        self.loads.append(column)

    def rest(self, cycles):
        self.rested = cycles

    def infer(self, row, queries, wait):
        self.rows.append(row)
        fill = len(self.loads) == 1 and len(self.rows) == 3
        return Execution(100, {"weights": 64, "fill": 640 * fill}, 32, (queries[0].image % 2,), 10 * fill)


def test_accounting_of_loads_queue_and_bytes():
    t = table(by_hits)
    server, watched = Recorder(), []
    queries = [Query(accuracy=91, arrival_s=0, image=n) for n in range(4)]
    served = serve(queries, SushiSched(period=2, distance="saving", initial=0), t, server, watched.append)
    assert watched == served
    assert len(server.loads) == 1                                         # after the second query, none after the last
    assert [s.service_ms for s in served] == pytest.approx([1e-3, 1e-3, 1.1e-3, 1e-3])
    assert [s.response_ms for s in served] == pytest.approx([1e-3, 2e-3, 3.1e-3, 4.1e-3])
    assert [s.execution.dram_bytes["fill"] for s in served] == [0, 0, 640, 0]
    s = summarise(served, t, labels=[0, 1, 1, 1])
    assert s.dram_bytes == {"weights": 256, "fill": 640, "total": 896}
    assert (s.pb_bytes, s.pb_hit, s.cache_changes, s.top1) == (128, pytest.approx(100 / 3), 1, 75)


def test_top1_is_unknown_when_nothing_was_computed():
    served = serve(STREAM[:5], NoCache(), TABLE, TableServer(TABLE))
    assert summarise(served, TABLE, labels=[0] * 512).top1 is None


@pytest.mark.parametrize(("settings", "message"), [
    ({"queries": 0}, r"^queries, phase, levels and images must each be at least 1, not 0, 30, 4 and 512$"),
    ({"kind": "square"}, r"^kind must be phased, random or sinusoidal, not 'square'$"),
    ({"noise": 2}, r"^noise must be between 0 and 1 and load not negative, not 2 and 0.7$"),
])
def test_messages(settings, message):
    with pytest.raises(SchedulerError, match=message):
        StreamSettings(**settings)
