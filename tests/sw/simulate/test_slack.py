"""SlackFit and the policies around it: by hand, against the integer program, and in the queue."""
from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sched_helpers import SUBNETS, table

from nigiri.sched import Candidate, Query, SchedulerError, State
from nigiri.sched.drain import DrainFit
from nigiri.sched.slack import Clipper, Infaas, MaxAcc, MaxBatch, SlackFit
from nigiri.simulate import Queries, simulate
from nigiri.simulate.zilp import zilp_optimum

# Milliseconds of launches of 1, 2 and 4 images: min, mid, max.
MS = np.array([[2, 3, 5], [4, 6, 10], [7, 12, 22]])
TABLE = dataclasses.replace(table(count=1, graphs=(Candidate("empty", {}),)), cycles=MS[:, :1] * 100_000,
                            batches=(1, 2, 4), batch_cycles=MS * 100_000)
POLICIES = [SlackFit(buckets=21), SlackFit(buckets=21, fit="queue", name="queue"), MaxBatch(), MaxAcc(), Infaas(),
            DrainFit(2), *(Clipper(s.name) for s in SUBNETS)]


def decided(policy, slack, waiting=8, accuracy=0.0):
    policy.start(TABLE)
    query = Query(accuracy=accuracy, deadline_s=1 + slack / 1e3)
    d = policy.decide(query, State(queue=waiting - 1, clock_s=1.0), TABLE)
    return None if d.refused else (d.subnet, d.batch)


@pytest.mark.parametrize(("policy", "expected"), [
    # slack:                     1.9   2.1     5.1     7.1     10.1    22.1
    (SlackFit(buckets=21),      [None, (0, 1), (0, 4), (0, 4), (1, 4), (2, 4)]),
    (MaxBatch(),                [None, (0, 1), (0, 4), (0, 4), (1, 4), (2, 4)]),
    (MaxAcc(),                  [None, (0, 1), (1, 1), (2, 1), (2, 1), (2, 4)]),
    (Infaas(),                  [None, (0, 1), (0, 4), (0, 4), (0, 4), (0, 4)]),
    (Clipper("max"),            [None, None, None, (2, 1), (2, 1), (2, 4)]),
    (DrainFit(8, share=0.5),    [None, (0, 1), (0, 1), (1, 2), (1, 1), (2, 1)]),
])
def test_by_hand(policy, expected):
    assert [decided(policy, s) for s in (1.9, 2.1, 5.1, 7.1, 10.1, 22.1)] == expected


def test_batches_that_the_queue_can_fill():
    assert decided(SlackFit(buckets=21), 7.1, waiting=1) == (0, 4)
    assert decided(SlackFit(buckets=21, fit="queue"), 7.1, waiting=1) == (2, 1)
    assert decided(SlackFit(buckets=21, fit="queue"), 7.1, waiting=3) == (1, 2)
    assert decided(DrainFit(8), 7.1, waiting=1) == (2, 1) and decided(DrainFit(1), 7.1, waiting=2) == (0, 2)


def test_infaas_with_a_demand():
    assert decided(Infaas(), 22.1, accuracy=88) == (1, 4)
    assert decided(Infaas(), 22.1, accuracy=99) == (2, 4)


@pytest.mark.parametrize("make", [SlackFit, MaxBatch, MaxAcc, Infaas, lambda **k: Clipper("mid", **k),
                                  lambda **k: DrainFit(1, **k)])
def test_too_late(make):
    assert decided(make(), 0.5) is None
    assert decided(make(expired="serve"), 0.5)[1] == 4           # what drains the queue fastest


def test_dominated_subnets_are_not_used():
    worse = dataclasses.replace(TABLE, batch_cycles=np.array([[2, 3, 5], [8, 9, 10], [7, 12, 22]]) * 100_000)
    policy = SlackFit()
    policy.start(worse)
    assert policy.rows == [0, 2]


@given(st.floats(0.1, 60), st.integers(1, 30), st.integers(0, len(POLICIES) - 1))
@settings(max_examples=300, deadline=None)
def test_what_is_launched_ends_in_time(slack, waiting, which):
    found = decided(POLICIES[which], slack, waiting)
    if found is None:
        assert slack < (2 if which < 6 else MS[which - 6][0]) + 1e-6
    else:
        row, size = found
        assert TABLE.launch_cycles(row, min(size, waiting)) / 1e5 <= slack + 1e-6


def schedules(arrival, due, now=0, free=(0,), at=0):
    """Best utility by trying everything: one device, batches of neighbours in order, integer milliseconds."""
    if at == len(arrival):
        return 0.0
    best = schedules(arrival, due, now, free, at + 1)                     # query `at` is not served
    for size, row in product((1, 2, 3, 4), range(3)):
        if at + size <= len(arrival):
            start = max(free[0], arrival[at + size - 1])
            end = start + MS[row][{1: 0, 2: 1, 3: 2, 4: 2}[size]]
            if end <= due[at]:
                best = max(best, size * SUBNETS[row].accuracy + schedules(arrival, due, now, (end,), at + size))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_integer_program_against_trying_everything(seed):
    rng = np.random.default_rng(seed)
    arrival = np.sort(rng.integers(0, 12, 5)).astype(float)
    q = Queries.from_arrivals(arrival / 1e3, slo_ms=13)
    found = zilp_optimum(q, TABLE)
    assert found.utility == pytest.approx(schedules(arrival.tolist(), (arrival + 13).tolist()))
    assert sum(x.size for x in found.launches) == round(found.attainment * 5)


@pytest.mark.parametrize("devices", [1, 2])
def test_no_policy_beats_the_integer_program(devices):
    rng = np.random.default_rng(3)
    q = Queries.from_arrivals(np.sort(rng.integers(0, 40, 14)) / 1e3, slo_ms=15)
    best = zilp_optimum(q, TABLE, devices=devices)
    utilities = []
    for policy in POLICIES:
        s = simulate(q, policy, TABLE, devices=devices).summary()
        utilities.append(s.attainment * len(q) * (s.served_accuracy if s.attainment else 0))
        assert utilities[-1] <= best.utility + 1e-6
    assert max(utilities) > 0.9 * best.utility


def test_integer_program_refuses():
    q = Queries(arrival_s=np.zeros(2), deadline_s=np.array([0.01, 0.02]), accuracy=np.zeros(2), latency_ms=np.zeros(2))
    with pytest.raises(SchedulerError, match=r"^the integer program needs queries of one deadline length: give all the "
                                             r"same SLO$"):
        zilp_optimum(q, TABLE)
    with pytest.raises(SchedulerError, match=r"^the instance has more than 200000 possible launches: take fewer"):
        zilp_optimum(Queries.from_arrivals(np.zeros(50), slo_ms=1e3), TABLE)
    assert zilp_optimum(Queries.from_arrivals(np.zeros(2), slo_ms=1), TABLE).launches == ()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SlackFit(buckets=1), r"^SlackFit needs at least 2 buckets and fit 'bucket' or 'queue', not 1 and "
                                  r"'bucket'$"),
    (lambda: MaxAcc(expired="drop"), r"^expired must be 'refuse' or 'serve', not 'drop'$"),
    (lambda: Clipper("huge").start(TABLE), r"^no SubNet 'huge' to serve alone: choose one of min, mid, max$"),
    (lambda: DrainFit(0), r"^DrainFit needs at least 1 device and a positive share, not 0 and 0.25$"),
])
def test_messages(make, message):
    with pytest.raises(SchedulerError, match=message):
        make()
