"""Windows of serving: the same for the same seed, and worse or better where they must be."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.reproduce.workloads import shipped_table
from nigiri.simulate import Queries, simulate
from nigiri.tune import BatchedSushi, Cost, Environment, Outcome, TuneError, measure_bank, serving_space

TABLE = shipped_table("mobilenet_v3_160", "zcu104@300").first(8)
SPACE = serving_space(batch=(1, 4), timeout_ms=(0, 2), devices=(1, 4), period=(8,), clock=(0.5, 1.0))
ENV = Environment(table=TABLE, space=SPACE, cost=Cost(slo_ms=5.0), devices=4, queries=150)
BASE = {"batch": 1, "timeout_ms": 0, "devices": 4, "period": 8, "clock": 1.0}


def serve(rate=2000, seed=1, **changed):
    return ENV.serve(SPACE.index(BASE | changed), ENV.window(rate, seed))


def test_the_same_seed_gives_the_same_window_and_outcome():
    a, b, c = ENV.window(1000, 5), ENV.window(1000, 5), ENV.window(1000, 6)
    assert (a.arrival_s == b.arrival_s).all() and (a.accuracy == b.accuracy).all()
    assert len(c) != len(a) or (a.arrival_s != c.arrival_s).any()
    assert ENV.measure(3, 1000, 5) == ENV.measure(3, 1000, 5) != ENV.measure(3, 1000, 6)


def test_settings_do_what_they_say():
    usual = serve()
    assert usual.violations == 0 and usual.power == 1.0
    assert serve(devices=1).violations > 0.1 and serve(devices=1).power == 0.25
    slow = serve(clock=0.5)
    assert slow.mean_ms > 1.9 * usual.mean_ms and slow.power == pytest.approx(0.75)
    assert serve(batch=4, timeout_ms=2).mean_ms > serve(batch=4).mean_ms


def test_batches_and_timeouts_in_the_simulator():
    arrivals = np.array([0.0, 0.001, 0.002, 0.010])
    policy = BatchedSushi(3, 8)
    t = simulate(Queries.from_arrivals(arrivals), policy, TABLE, devices=2, hold=3, hold_s=0.004)
    assert t.batch.tolist() == [3, 3, 3, 1]
    assert t.start_s.tolist() == pytest.approx([0.002, 0.002, 0.002, 0.014])       # full; then the first waited 4 ms
    short = simulate(Queries.from_arrivals(arrivals), policy, TABLE, devices=2, hold=3, hold_s=0.0005)
    assert short.start_s.tolist() == pytest.approx(arrivals + 0.0005)
    at_once = simulate(Queries.from_arrivals(arrivals), policy, TABLE, devices=2)
    assert at_once.start_s.tolist() == arrivals.tolist()


def test_a_query_waits_for_no_longer_than_the_timeout_while_a_device_is_free():
    w = ENV.window(1500, 8)
    t = simulate(w, lambda: BatchedSushi(4, 8), TABLE, devices=150, hold=4, hold_s=0.003)
    waited = t.start_s - w.arrival_s
    assert waited.max() == pytest.approx(0.003) and (t.batch <= 4).all() and (t.batch == 4).any()
    assert (waited[t.first & (t.batch < 4)] == pytest.approx(0.003))


def test_cost():
    cost = Cost(slo_ms=10.0, violation=5.0, latency=0.5, power=1.0)
    assert cost(Outcome(violations=0.1, mean_ms=4.0, p99_ms=9.0, power=0.25)) == pytest.approx(0.5 + 0.2 + 0.25)
    assert cost(Outcome(violations=1.0, mean_ms=400.0, p99_ms=9.0, power=1.0)) == pytest.approx(6.5)


def test_bank(tmp_path):
    said = []
    bank = measure_bank(ENV, 2000, 2, seed=3, folder=tmp_path, progress=said.append)
    assert bank.rewards.shape == (16, 2) and said and len(list(tmp_path.iterdir())) == 1
    for i in (0, 5, 11):
        assert bank.rewards[i].tolist() == [ENV.measure(i, 2000, 3 + n)[0] for n in range(2)]
    assert (measure_bank(ENV, 2000, 2, seed=3, folder=tmp_path).rewards == bank.rewards).all()
    assert bank.near()[bank.best] and bank.values[bank.best] == bank.values.max()
    # Launches of one image do not care about the timeout.
    a, b = (SPACE.index(BASE | {"timeout_ms": x}) for x in (0, 2))
    assert (bank.rewards[a] == bank.rewards[b]).all()


def test_errors():
    def env(**changed):
        return Environment(**({"table": TABLE, "space": SPACE, "cost": Cost(slo_ms=5.0), "devices": 4} | changed))

    for make in (lambda: Cost(slo_ms=0), lambda: Cost(slo_ms=1, power=-1), lambda: env(devices=3),
                 lambda: env(static=2), lambda: env(queries=0), lambda: ENV.window(0, 1),
                 lambda: env(space=serving_space(clock=(1.0, 2.0))), lambda: measure_bank(ENV, 100, 0),
                 lambda: env(space=type(SPACE)(axes=SPACE.axes[:2]))):
        with pytest.raises(TuneError):
            make()
