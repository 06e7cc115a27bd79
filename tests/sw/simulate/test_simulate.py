"""The simulator against queueing theory, against the serving loop, and its invariants."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sched_helpers import by_roofline, table

from nigiri.sched import (
    Decision,
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
from nigiri.simulate import Fault, Queries, Status, kill_every, simulate
from nigiri.traffic import load_stream, save_stream

TABLE = dataclasses.replace(table(by_roofline, count=8), fill_word_cycles=2.0, fill_entry_cycles=10.0,
                            memory_word_cycles=4.0)
ONE_S = TABLE.latency_ms(2, 0) / 1e3
"""Service time of the largest SubNet without a cache."""


class Always:
    """Serves `row` in batches of `size`."""

    name = "always"

    def __init__(self, row=2, size=1):
        self.row, self.size = row, size

    def start(self, table):
        return 0

    def decide(self, query, state, table):
        return Decision(self.row, batch=self.size)


def poisson(rate, count, seed):
    print(f"seed {seed}")
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_waiting_time_of_an_m_d_1_queue(load):
    arrivals = poisson(load / ONE_S, 200_000, 11)
    t = simulate(Queries.from_arrivals(arrivals), Always(), TABLE)
    wait = (t.start_s - t.queries.arrival_s).mean()
    assert wait == pytest.approx(load * ONE_S / (2 * (1 - load)), rel=0.05)        # Pollaczek and Khinchine
    assert t.summary().utilisation == pytest.approx(load, rel=0.01)


def test_devices_share_the_load_evenly_timed_arrivals():
    arrivals = np.arange(1000) * ONE_S / 4
    t = simulate(Queries.from_arrivals(arrivals, slo_ms=1e3 * ONE_S * 1.001), Always(), TABLE, devices=4)
    s = t.summary()
    assert (s.attainment, s.served_accuracy) == (1.0, 91.0)
    assert np.bincount(t.device).tolist() == [250] * 4
    assert s.mean_response_ms == pytest.approx(1e3 * ONE_S)
    over = simulate(Queries.from_arrivals(arrivals, slo_ms=1e3 * ONE_S * 1.001), Always(), TABLE, devices=3).summary()
    assert over.attainment < 0.1 and over.utilisation > 0.99


@pytest.mark.parametrize("kind", ["phased", "random"])
@pytest.mark.parametrize("distance", ["vector", "saving"])
@pytest.mark.parametrize("load", [0, 0.8])
def test_one_device_does_what_the_serving_loop_does(kind, distance, load):
    queries = query_stream(TABLE, StreamSettings(queries=300, kind=kind, load=load, seed=4))
    policy = SushiSched(period=4, distance=distance, initial=0, on_miss="best")
    loop = serve(queries, policy, TABLE, TableServer(TABLE))
    t = simulate(Queries.of(queries), policy, TABLE, order="arrival")
    assert t.subnet.tolist() == [s.subnet for s in loop]
    assert t.column.tolist() == [s.cached for s in loop]
    # The loop's fills take whole cycles.
    assert (1e3 * (t.end_s - t.queries.arrival_s)).tolist() == pytest.approx([s.response_ms for s in loop], rel=1e-3)
    assert t.cache_changes > 0 or distance == "saving"
    assert t.summary().dram_bytes == summarise(loop, TABLE).dram_bytes["total"]


def test_a_stream_of_both_goals_does_what_the_serving_loop_does():
    queries = [q._replace(goal=("strict_latency", None, "strict_accuracy")[n % 3], latency_ms=1e3)
               for n, q in enumerate(query_stream(TABLE, StreamSettings(queries=200, kind="random", seed=9)))]
    loop = serve(queries, NoCache(on_miss="best"), TABLE, TableServer(TABLE))
    t = simulate(Queries.of(queries), NoCache(on_miss="best"), TABLE, order="arrival")
    assert t.subnet.tolist() == [s.subnet for s in loop]
    other = simulate(Queries.of([q._replace(goal=None) for q in queries]), NoCache(on_miss="best"), TABLE)
    assert t.subnet.tolist() != other.subnet.tolist()


def test_a_recorded_stream(tmp_path):
    queries = query_stream(TABLE, StreamSettings(queries=20, seed=9))
    save_stream(tmp_path / "s.jsonl", {n: np.array([getattr(q, n) for q in queries])
                                       for n in ("arrival_s", "accuracy", "latency_ms")})
    again = Queries.from_columns(load_stream(tmp_path / "s.jsonl"))
    assert simulate(again, NoCache(), TABLE).to_json() == simulate(Queries.of(queries), NoCache(), TABLE).to_json()


def test_earliest_deadline_first():
    q = Queries(arrival_s=np.zeros(4), deadline_s=np.array([4.0, 1.0, 3.0, 2.0]), accuracy=np.zeros(4),
                latency_ms=np.full(4, np.inf))
    assert np.argsort(simulate(q, Always(), TABLE).start_s).tolist() == [1, 3, 2, 0]
    assert np.argsort(simulate(q, Always(), TABLE, order="arrival").start_s).tolist() == [0, 1, 2, 3]


def test_batches_take_what_was_measured():
    cycles = np.stack([TABLE.cycles[:, 0], TABLE.cycles[:, 0] * 3 // 2, TABLE.cycles[:, 0] * 2], axis=1)
    batched = dataclasses.replace(TABLE, batches=(1, 2, 4), batch_cycles=cycles)
    t = simulate(Queries.from_arrivals(np.zeros(7)), Always(size=4), batched)
    assert t.batch.tolist() == [4] * 4 + [3] * 3
    assert t.first.tolist() == [True, False, False, False, True, False, False]
    ends = sorted(set(t.end_s))
    assert ends == pytest.approx([2 * ONE_S, 4 * ONE_S], rel=1e-3)         # three images take a launch of four
    assert t.summary().mean_batch == 3.5


def test_refused_queries_are_not_served_and_cost_nothing():
    q = Queries.from_arrivals(np.arange(10.0), accuracy=99)
    t = simulate(q, NoCache(on_miss="refuse"), TABLE)
    assert (t.status == Status.REFUSED).all() and np.isnan(t.start_s).all()
    s = t.summary()
    assert (s.refused, s.served, s.attainment, s.utilisation) == (10, 0, 0.0, 0.0)
    assert t.to_json()["served_accuracy"] is None


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10_000),
       st.lists(st.tuples(st.integers(0, 2), st.floats(0, 3), st.floats(0.01, 2)), max_size=3))
@settings(max_examples=150, deadline=None)
def test_invariants(arrivals, devices, size, seed, faults):
    scale = 20 * ONE_S
    q = Queries.from_arrivals(np.sort(np.array(arrivals)) * scale, slo_ms=4e3 * ONE_S)
    down = [Fault(device=d % devices, at_s=a * scale, back_s=(a + b) * scale) for d, a, b in faults]
    run = [simulate(q, Always(size=size), TABLE, devices=devices, faults=down) for _ in range(2)]
    assert run[0].to_json() == run[1].to_json()
    t = run[0]
    assert (t.status == Status.SERVED).all()                              # every device comes back: nothing is lost
    assert (t.start_s >= q.arrival_s).all() and (t.end_s > t.start_s).all()
    for d in range(devices):
        mine = t.first & (t.device == d)
        order = np.argsort(t.start_s[mine])
        starts, ends = t.start_s[mine][order], t.end_s[mine][order]
        assert (starts[1:] >= ends[:-1] - 1e-12).all()                    # one launch at a time
        for f in down:
            if f.device == d:
                assert not ((starts < f.at_s - 1e-12) & (ends > f.at_s + 1e-12)).any()
    assert t.batch[t.first].sum() == len(q)
    assert t.summary().utilisation <= 1 + 1e-9


def test_interrupted_queries_are_served_elsewhere():
    q = Queries.from_arrivals(np.zeros(2))
    t = simulate(q, Always(), TABLE, devices=2, faults=[Fault(device=0, at_s=ONE_S / 2)])
    assert t.device.tolist() == [1, 1]
    assert sorted(t.end_s) == pytest.approx([ONE_S, 2 * ONE_S])
    assert t.summary().unserved == 0
    none = simulate(q, Always(), TABLE, faults=[Fault(device=0, at_s=ONE_S / 2)])
    assert none.summary().unserved == 2


def test_queries_of_lost_devices_keep_their_order():
    q = Queries.from_arrivals(np.zeros(6))
    down = [Fault(device=2, at_s=ONE_S / 4), Fault(device=1, at_s=ONE_S / 2)]
    t = simulate(q, Always(), TABLE, devices=3, faults=down)          # devices 2, 1, 0 take queries 0, 1, 2
    assert np.argsort(t.start_s).tolist() == [2, 0, 1, 3, 4, 5]
    assert t.device.tolist() == [0] * 6


def test_a_device_that_comes_back_fills_its_cache_again():
    queries = query_stream(TABLE, StreamSettings(queries=50, load=0.5, seed=2))
    policy = SushiSched(distance="saving", on_miss="best")
    calm = simulate(Queries.of(queries), policy, TABLE)
    lost = simulate(Queries.of(queries), policy, TABLE, faults=[Fault(device=0, at_s=ONE_S, back_s=2 * ONE_S)])
    assert lost.fill_words > calm.fill_words > 0


def test_killed_one_after_the_other():
    assert [(f.device, f.at_s) for f in kill_every(12, 8, 60)] == [(7, 12), (6, 24), (5, 36), (4, 48)]
    assert len(kill_every(1, 3, 100)) == 2


def test_timeline():
    q = Queries.from_arrivals(np.array([0.0, 0.1, 2.5]), slo_ms=1e3)
    got = simulate(q, Always(), TABLE).timeline(1.0)
    assert got == {"time_s": [0, 1, 2], "queries_per_s": [2, 0, 1], "attainment": [1, None, 1],
                   "accuracy": [91, None, 91]}
    assert simulate(Queries.from_arrivals(np.zeros(0)), Always(), TABLE).timeline(1.0)["time_s"] == []


@pytest.mark.parametrize(("call", "message"), [
    (lambda: simulate(Queries.from_arrivals(np.zeros(1)), Always(), TABLE, devices=0),
     r"^devices must be between 1 and 4096, not 0$"),
    (lambda: simulate(Queries.from_arrivals(np.zeros(1)), Always(), TABLE, faults=[Fault(device=1, at_s=0)]),
     r"^there is no device 1 that could fail: devices are 0 to 0$"),
    (lambda: simulate(Queries.from_arrivals(np.zeros(1)), Always(row=3), TABLE),
     r"^policy 'always' decided for SubNet 3 and a batch of 1: rows are 0 to 2, batches at least 1$"),
    (lambda: simulate(Queries.from_arrivals(np.zeros(1)), Always(), TABLE, order="size"),
     r"^order must be 'arrival' or 'deadline', not 'size'$"),
    (lambda: Queries.from_arrivals(np.array([1.0, 0.0])), r"^times of arrival must be finite and ascend: sort the "
                                                          r"queries$"),
    (lambda: Queries(arrival_s=np.zeros(1), deadline_s=np.zeros(2), accuracy=np.zeros(1), latency_ms=np.zeros(1)),
     r"^all columns of queries must be equally long, not \[1, 2\]$"),
    (lambda: Fault(device=0, at_s=2, back_s=1), r"^a fault needs a device and a time from 0 on and an end behind it, "
                                                r"not device 0 from 2 to 1 s$"),
    (lambda: kill_every(0, 8, 60), r"^devices must be killed after a positive time, and between 0 and 8 kept, not 0 s "
                                   r"and 1$"),
    (lambda: serve([Query(arrival_s=1), Query(arrival_s=0)], NoCache(), TABLE, TableServer(TABLE)),
     r"^queries must be sorted by their time of arrival: sort them$"),
])
def test_messages(call, message):
    with pytest.raises(SchedulerError, match=message):
        call()
