"""The promise of each goal, over random tables, streams, cache rules and fills: kept whenever a SubNet can keep it."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sched_helpers import SUBNETS, table

from nigiri.sched import (
    FixedCache,
    NoCache,
    Query,
    SushiSched,
    TableServer,
    UnreachableAccuracy,
    UnreachableLatency,
    serve,
)

BASE = table(count=6)
TARGETS = st.tuples(st.floats(80, 93), st.floats(0.0005, 0.08), st.sampled_from(["strict_accuracy", "strict_latency"]),
                    st.floats(0, 0.0001))


class Recorded:
    """A policy that remembers what it saw and said."""

    def __init__(self, policy):
        self.policy, self.name, self.seen = policy, policy.name, []

    def start(self, table):
        return self.policy.start(table)

    def decide(self, query, state, table):
        self.seen.append((query, state, self.policy.decide(query, state, table)))
        return self.seen[-1][2]


@st.composite
def tables(draw):
    """Any cycles, but a cache never makes a SubNet slower; fills from free to slower than inferences."""
    cycles = np.array(draw(st.lists(st.integers(100, 5000), min_size=3, max_size=3)))[:, None]
    share = np.array(draw(st.lists(st.floats(0.3, 1), min_size=18, max_size=18))).reshape(3, 6)
    share[:, 0] = 1
    accuracies = draw(st.lists(st.floats(82, 92), min_size=3, max_size=3))
    nets = tuple(dataclasses.replace(s, accuracy=a) for s, a in zip(SUBNETS, accuracies, strict=True))
    return dataclasses.replace(
        BASE, subnets=nets, cycles=np.maximum(1, cycles * share).astype(np.int64),
        fill_word_cycles=draw(st.sampled_from([0.0, 0.5, 20.0])), fill_entry_cycles=draw(st.sampled_from([0.0, 50.0])),
        memory_word_cycles=draw(st.sampled_from([0.0, 2.0, 100.0])))


def policies(on_miss):
    return [NoCache(on_miss=on_miss), FixedCache(on_miss=on_miss),
            *(SushiSched(period=q, distance=d, on_miss=on_miss) for q in (1, 3) for d in ("vector", "saving"))]


@given(tables(), st.lists(TARGETS, min_size=1, max_size=25), st.integers(0, 5))
@settings(max_examples=250, deadline=None)
def test_promises_are_kept_whenever_a_subnet_can_keep_them(t, targets, which):
    arrivals = np.cumsum([gap for *_, gap in targets])
    queries = [Query(accuracy=a, latency_ms=x, arrival_s=float(s), goal=goal)
               for (a, x, goal, _), s in zip(targets, arrivals, strict=True)]
    policy = Recorded(policies("refuse")[which])
    served = serve(queries, policy, t, TableServer(t))
    assert len(served) == len(queries)
    latency, accuracy = t.latencies_ms, t.accuracies
    for s, (query, state, _) in zip(served, policy.seen, strict=True):
        if query.goal == "strict_accuracy":
            assert s.refused == (accuracy.max() < query.accuracy)
            assert s.refused or accuracy[s.subnet] >= query.accuracy
        else:
            behind = state.fill_ms + latency[:, state.cached]
            able = (behind <= query.latency_ms) | ((latency[:, 0] <= query.latency_ms) & (state.fill_ms > 0))
            assert s.refused == (not able.any())
            if not s.refused:
                # Fills take whole cycles.
                assert s.service_ms <= query.latency_ms * (1 + 1e-9) + 2e-5
                assert accuracy[s.subnet] == accuracy[able].max()


@given(tables(), st.lists(TARGETS, min_size=1, max_size=15), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_what_cannot_be_kept_gets_the_documented_answer(t, targets, which):
    queries = [Query(accuracy=a, latency_ms=x, goal=goal) for a, x, goal, _ in targets]
    refused = [s.refused for s in serve(queries, policies("refuse")[which], t, TableServer(t))]
    if any(refused):
        with pytest.raises((UnreachableAccuracy, UnreachableLatency)):
            serve(queries, policies("raise")[which], t, TableServer(t))
    policy = Recorded(policies("best")[which])
    for s, (query, state, _) in zip(serve(queries, policy, t, TableServer(t)), policy.seen, strict=True):
        assert not s.refused
        if query.goal == "strict_accuracy" and t.accuracies.max() < query.accuracy:
            assert t.accuracies[s.subnet] == t.accuracies.max()
        if query.goal == "strict_latency" and s.service_ms > query.latency_ms + 2e-5:
            fastest = min(state.fill_ms + t.latencies_ms[:, state.cached].min(), t.latencies_ms[:, 0].min())
            assert s.service_ms == pytest.approx(fastest, abs=2e-5)
