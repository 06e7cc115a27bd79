"""Candidate SubGraphs: capacity, order of benefit, determinism."""
from __future__ import annotations

import pytest
from sched_helpers import CAPACITY, LAYERS, NETS, ROOF

from nigiri.sched import Roofline, SchedulerError, candidates
from nigiri.sched.benefit import lean, order
from nigiri.sched.candidates import best_for, fit
from nigiri.sched.subgraph import intersection, key, words
from nigiri.spec import CONFIGS, MEMORIES

BY_ID = {layer.id: layer for layer in LAYERS}


@pytest.mark.parametrize("capacity", [0, 1, 7, 64, 200, 1000])
@pytest.mark.parametrize("count", [1, 2, 16, 100])
def test_capacity_and_count_hold(capacity, count):
    found = candidates(NETS, LAYERS, ROOF, capacity, count=count)
    assert 1 <= len(found) <= count
    assert found[0].boxes == {}
    assert all(words(c.boxes) <= capacity for c in found)
    assert len({key(c.boxes) for c in found}) == len(found)


def test_candidates_lie_inside_the_supernet():
    for c in candidates(NETS, LAYERS, ROOF, CAPACITY, count=50):
        assert intersection(c.boxes, NETS["max"]) == c.boxes


def test_same_seed_same_candidates():
    a, b = (candidates(NETS, LAYERS, ROOF, CAPACITY, count=12, seed=5) for _ in range(2))
    assert a == b


def test_cycles_saved_per_byte_come_first():
    assert order(NETS["max"], BY_ID, ROOF)[:2] == [5, 4]            # used once, then 16 times
    assert list(fit(NETS["max"], LAYERS, ROOF, CAPACITY))[:2] == [5, 4]


def test_roofline_saves_nothing_where_compute_hides_the_fetch():
    roof = Roofline(lanes=4, bytes_per_cycle=16.0)
    assert roof.saved(BY_ID[1], (10, 5, 1), (10, 5, 1)) == 0
    assert roof.saved(BY_ID[5], (2, 40, 1), (2, 40, 1)) > 0
    assert Roofline.of(CONFIGS["pynq_z2"], MEMORIES["ddr3_z2"]).intensity == pytest.approx(30)


def test_lean_removes_every_stall():
    net = NETS["max"]
    share = lean(net, BY_ID, ROOF)
    assert share
    for i, box in share.items():
        compute, fetch = ROOF.block_cycles(BY_ID[i], net[i])
        expected = net[i][0] * (fetch - max(compute, 64 / ROOF.bytes_per_cycle))
        assert ROOF.saved(BY_ID[i], net[i], box) == pytest.approx(expected)
    assert words(fit(net, LAYERS, ROOF, CAPACITY, stalls_first=True)) <= CAPACITY


def test_stalls_first_saves_at_least_as_much():
    net = NETS["max"]

    def saved(boxes):
        return sum(ROOF.saved(BY_ID[i], net[i], box) for i, box in boxes.items())

    for capacity in (50, 200, 400):
        whole, stalls = (fit(net, LAYERS, ROOF, capacity, stalls_first=s) for s in (False, True))
        assert saved(stalls) >= saved(whole)
    assert 1 <= len(best_for(net, LAYERS, ROOF, 100)) <= 2


def test_messages():
    with pytest.raises(SchedulerError, match=r"^candidates need at least one SubNet, not none$"):
        candidates({}, LAYERS, ROOF, 10)
    with pytest.raises(SchedulerError, match=r"^count must be at least 1 and capacity not negative, not 0 and 10$"):
        candidates(NETS, LAYERS, ROOF, 10, count=0)
