"""The latency table: shapes, JSON, origin of its numbers, and what it refuses."""
from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sched_helpers import CAPACITY, LAYERS, NETS, SUBNETS, by_hits, table

from nigiri.sched import Candidate, LatencyTable, TableError, build_table
from nigiri.sched.subgraph import words


def test_build_measures_column_by_column_and_reports_progress():
    seen, done = [], []

    def measure(net, graph):
        seen.append((net.name, graph.name))
        return by_hits(net, graph)

    graphs = [Candidate("empty", {}), Candidate("a", {4: (20, 10, 1)})]
    t = build_table(SUBNETS, graphs, measure, layers=LAYERS, clock_mhz=50.0, capacity=CAPACITY, origin="rtl",
                    progress=lambda n, total: done.append((n, total)))
    assert seen == [(s.name, g.name) for g in graphs for s in SUBNETS]
    assert done[-1] == (6, 6)
    assert t.origin == (("rtl", "rtl"),) * 3
    assert t.latency_ms(0, 0) == pytest.approx(10 * words(NETS["min"]) / 50e3)
    assert t.hits[0].tolist() == [0, 200]
    assert t.hit_ratio(0, 1) == pytest.approx(200 / words(NETS["min"]))


def test_json_round_trip():
    t = table()
    again = LatencyTable.from_json(t.to_json())
    assert np.array_equal(again.cycles, t.cycles)
    assert [list(c.boxes.items()) for c in again.subgraphs] == [list(c.boxes.items()) for c in t.subgraphs]
    assert (again.subnets, again.layers, again.origin, again.source) == (t.subnets, t.layers, t.origin, t.source)
    assert again.source == {"config": "tiny", "memory": "slow"}


@pytest.mark.parametrize(("text", "message"), [
    ("no json", r"^not a latency table \(JSONDecodeError: .*\): measure it again$"),
    ("{}", r"^not a latency table \(KeyError: 'format'\): measure it again$"),
    (json.dumps({"format": "x"}), r"^latency table has format 'x', this version reads .*: measure it again$"),
])
def test_foreign_text_is_refused(text, message):
    with pytest.raises(TableError, match=message):
        LatencyTable.from_json(text)


def test_capacity_is_enforced():
    t = table()
    big = max(words(c.boxes) for c in t.subgraphs)
    with pytest.raises(TableError, match=rf"words, but the persistent buffer holds {big - 1}$"):
        dataclasses.replace(t, capacity=big - 1)


def test_bad_shapes_are_refused():
    t = table()
    with pytest.raises(TableError, match=r"^a latency table of 3 SubNets and \d SubGraphs must have as many"):
        dataclasses.replace(t, cycles=t.cycles[:2])
    with pytest.raises(TableError, match=r"^every one of the 3 x \d numbers must name its origin$"):
        dataclasses.replace(t, origin=())
    with pytest.raises(TableError, match=r"^cycles must be positive, not 0$"):
        dataclasses.replace(t, cycles=t.cycles * 0)
    with pytest.raises(TableError, match=r"^the first SubGraph of a latency table must be empty, not "):
        dataclasses.replace(t, subgraphs=t.subgraphs[::-1])
