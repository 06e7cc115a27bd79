"""Which SubGraph each device keeps, and which device gets a query."""
from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from nigiri.sched.errors import SchedulerError
from nigiri.sched.placement import ClusterCache, ClusterPolicy, expected_cycles, place
from nigiri.sched.policy import FixedCache
from nigiri.sched.query import Query, State
from nigiri.sched.routing import LeastUsed, Locality, RoundRobin, get_router
from nigiri.sched.subgraph import Candidate, Layer
from nigiri.sched.table import LatencyTable, SubNet
from nigiri.simulate.core import simulate
from nigiri.simulate.queries import Queries


def _table(nets, graphs, cycles):
    return LatencyTable(layers=tuple(Layer(n, f"layer{n}", 1) for n in range(2)), subnets=nets, subgraphs=graphs,
                        cycles=np.array(cycles), clock_mhz=1.0, capacity=16,
                        origin=np.full(np.shape(cycles), "test"), source={})


@pytest.fixture
def split():
    """Two SubNets of equal size that share nothing, and a cache that holds one of them."""
    nets = (SubNet("a", 80.0, {0: (4, 4, 1)}), SubNet("b", 90.0, {1: (4, 4, 1)}))
    graphs = (Candidate("empty", {}), Candidate("A", {0: (4, 4, 1)}), Candidate("B", {1: (4, 4, 1)}))
    return _table(nets, graphs, [[100, 50, 100], [120, 120, 60]])


def test_two_devices_divide_the_subnets(split):
    assert sorted(place(split, 2)) == [1, 2]
    assert place(split, 1, np.array([1.0, 0.0])) == [1] and place(split, 1, np.array([0.0, 1.0])) == [2]
    assert expected_cycles(split, [1, 2], np.array([0.5, 0.5])) == 55
    # Half of the time the better device is idle, a quarter of the time only the other one, and a quarter none.
    assert expected_cycles(split, [1, 2], np.array([1.0, 0.0]), 0.5) == 0.75 * 50 + 0.25 * 100


@pytest.mark.parametrize("seed", range(8))
def test_close_to_the_best_of_all_placements(seed):
    rng = np.random.default_rng(seed)
    print("seed", seed)
    graphs = tuple(Candidate(f"g{n}" if n else "empty", {0: (1, 1, 1)} if n else {}) for n in range(7))
    nets = tuple(SubNet(f"n{n}", 50.0 + n, {0: (1, 1, 1)}) for n in range(5))
    cycles = rng.integers(50, 100, (5, 7))
    cycles[:, 0] = 100
    table, mix = _table(nets, graphs, cycles), rng.dirichlet(np.ones(5))
    for devices in (1, 2, 3):
        best = min(expected_cycles(table, c, mix) for c in combinations_with_replacement(range(7), devices))
        got = expected_cycles(table, place(table, devices, mix), mix)
        assert best <= got <= 100 - (1 - np.exp(-1)) * (100 - best)
        assert devices > 1 or got == best


def _queries(accuracies):
    n = len(accuracies)
    return Queries(arrival_s=0.001 * np.arange(n), deadline_s=np.full(n, np.inf), accuracy=np.array(accuracies),
                   latency_ms=np.full(n, np.inf))


@pytest.mark.parametrize(("router", "hits"), [(Locality, 1.0), (RoundRobin, 0.75)])
def test_locality_sends_queries_to_their_weights(split, router, hits):
    queries = _queries([80.0, 90.0] * 20 + [90.0, 80.0] * 20)
    columns = iter((1, 2))
    trace = simulate(queries, lambda: FixedCache(column=next(columns)), split, devices=2, router=router(),
                     order="arrival")
    assert trace.summary().hit_bytes == hits and trace.summary().served == 80
    if router is Locality:
        # The faster SubNet of the two serves those that demand nothing of it.
        assert (trace.device == (trace.subnet == 1)).all()


def test_the_least_used_device_is_taken(split):
    trace = simulate(_queries([90.0] * 40), FixedCache(column=2), split, devices=4, router=LeastUsed(), order="arrival")
    assert np.bincount(trace.device).tolist() == [10] * 4


def test_the_plan_follows_what_is_asked(split):
    shared = ClusterCache(2, period=8, busy=0.0)
    policies = [ClusterPolicy(shared, n) for n in range(2)]
    assert sorted(p.start(split) for p in policies) == [1, 2]
    for _ in range(40):
        policies[0].decide(Query(accuracy=90.0), State(cached=1), split)
    # One of two copies of B would not be better: the other device keeps what it has.
    assert sorted(shared.columns) == [1, 2]
    # A device that holds another SubGraph than its plan loads it with its next query.
    other = 3 - shared.columns[1]
    assert policies[1].decide(Query(accuracy=80.0), State(cached=other), split).load == shared.columns[1]
    single = ClusterCache(1, period=8)
    only = ClusterPolicy(single, 0)
    first = only.start(split)
    for _ in range(40):
        only.decide(Query(accuracy=90.0), State(cached=first), split)
    assert single.columns == [2]


def test_errors(split):
    with pytest.raises(SchedulerError, match=r"^placement needs at least 1 device, a chance to be busy in \[0, 1\)"):
        place(split, 0)
    with pytest.raises(SchedulerError, match=r"^a cluster needs at least 1 device, a period of at least 1 query"):
        ClusterCache(2, period=0)
    with pytest.raises(SchedulerError, match=r"^the plan is for devices 0 to 1, not 2$"):
        ClusterPolicy(ClusterCache(2), 2)
    with pytest.raises(SchedulerError, match=r"^unknown router 'x'"):
        get_router("x")
