"""The planner against trying every placement, and on an instance of the size of the published one."""
from __future__ import annotations

from itertools import product

import pytest

from nigiri.cascade.balance import balance
from nigiri.cascade.errors import PlannerError
from nigiri.cascade.planner import Device, Model, plan

SMALL = Model(name="small", latency_s=1e-3, reach=1.0, memory=1, hidden_bytes=0, beta=2, gamma=1)
LARGE = Model(name="large", latency_s=4e-3, reach=0.5, memory=3, hidden_bytes=100, beta=1, gamma=0)


def check(models, devices, p, batch=1):
    """Every piece is placed once, and no device has too much."""
    wanted = {(m, s, r) for m in range(len(models)) for s in range(p.stages[m]) for r in range(p.replicas[m])}
    assert sorted((x.model, x.stage, x.replica) for x in p.pieces) == sorted(wanted)
    for g, d in enumerate(devices):
        mine = [x for x in p.pieces if x.device == g]
        assert mine
        assert sum(models[x.model].memory / p.stages[x.model] for x in mine) <= d.memory + 1e-9
        assert sum(models[x.model].utilisation(batch) for x in mine) <= 1 + 1e-9


def handing_on(models, devices, where, replicas, near, far):
    """Seconds for a query, by the definition: replicas share what is handed on evenly."""
    total = 0.0
    for (m, r), (m2, r2) in product(where, where):
        if m2 == m + 1:
            a, b = where[m, r], where[m2, r2]
            share = models[m2].hidden_bytes * models[m2].reach / (replicas[m] * replicas[m2])
            total += share * (0 if a == b else near if devices[a].group == devices[b].group else far)
    return total


@pytest.mark.parametrize(("near", "far"), [(1e-6, 5e-6), (0.0, 1e-6), (0.0, 0.0)])
def test_least_transfer_against_trying_everything(near, far):
    models = [SMALL, LARGE]
    devices = [Device(memory=4), Device(memory=4, group=1), Device(memory=4, group=1)]
    p = plan(models, devices, most_stages=1, most_replicas=1, near=near, far=far)
    assert (p.stages, p.replicas) == ((1, 1), (1, 2))
    check(models, devices, p)
    units = [(0, 0), (1, 0), (1, 1)]
    costs = []
    for spots in product(range(3), repeat=3):
        where = dict(zip(units, spots, strict=True))
        load = [sum(models[m].memory for (m, _), g in where.items() if g == d) for d in range(3)]
        use = [sum(models[m].utilisation(1) for (m, _), g in where.items() if g == d) for d in range(3)]
        if len(set(spots)) == 3 and max(load) <= 4 and max(use) <= 1:
            costs.append(handing_on(models, devices, where, p.replicas, near, far))
    assert p.transfer_s == pytest.approx(min(costs))
    assert p.rate == pytest.approx(1000)


def test_stages_make_a_large_model_fit():
    wide = Model(name="wide", latency_s=8e-3, reach=0.25, memory=6)
    devices = [Device(memory=4)] * 3
    p = plan([SMALL, wide], devices, most_stages=2, most_replicas=1)
    assert p.stages == (1, 2) and p.replicas == (1, 1)
    check([SMALL, wide], devices, p)
    assert p.rate == pytest.approx(min(1000, 2 / (0.25 * 8e-3)))
    with pytest.raises(PlannerError, match=r"^no plan places small, wide on 3 devices so that each has a piece and "
                                           r"none "
                                           r"too much: give devices with more memory, or fewer of them$"):
        plan([SMALL, wide], devices, most_stages=1)


def test_eight_devices_replicas_follow_the_reach():
    # Latencies and reach of the published vision models, largest first in need.
    models = [Model(name=n, latency_s=x, reach=p, memory=m, hidden_bytes=600_000)
              for n, x, p, m in (("tiny", 11.0e-3, 1.0, 1), ("small", 11.0e-3, 0.404, 2), ("base", 11.1e-3, 0.354, 4),
                                 ("large", 24.9e-3, 0.173, 10))]
    devices = [Device(memory=12, group=g // 4) for g in range(8)]
    p = plan(models, devices, most_stages=1, most_replicas=1, near=1e-9, far=1e-8)
    check(models, devices, p)
    assert p.replicas == (3, 2, 1, 2)
    load = [m.reach * m.latency_s for m in models]
    assert all(n >= x / min(load) - 1e-9 for n, x in zip(p.replicas, load, strict=True))


def test_balance_keeps_all_devices_busy():
    models = [SMALL, LARGE]
    got = balance(models, [Device(memory=4)] * 3)
    assert got.rate == pytest.approx(3 / (1e-3 + 0.5 * 4e-3))
    assert got.share.sum(axis=0) == pytest.approx([1, 1, 1], abs=1e-6)
    assert got.share.sum(axis=1) == pytest.approx([got.rate * 1e-3, got.rate * 0.5 * 4e-3])


def test_balance_with_little_memory_keeps_models_apart():
    # Only one model fits a device: one device for the small one, two for the large.
    got = balance([SMALL, LARGE], [Device(memory=3)] * 3)
    assert got.rate == pytest.approx(min(1 / 1e-3, 2 / (0.5 * 4e-3)))
    assert ((got.share > 1e-6).sum(axis=0) <= 1).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: balance([SMALL], []), r"^balancing needs models and devices, not 1 and 0$"),
    (lambda: balance([LARGE], [Device(memory=1)]), r"^model 'large' needs a positive latency, a reach above 0 and at "
                                                   r"most 1, and no more memory than a device has$"),
    (lambda: balance([SMALL, LARGE], [Device(memory=3)]), r"^no sharing of 1 devices serves all of small, large: give "
                                                          r"devices with more memory$"),

    (lambda: plan([], [Device(memory=1)]), r"^a plan needs models, devices, and a batch, stages and replicas of at "
                                           r"least "
                                           r"1, not 0, 1, 1, 2 and 8$"),
    (lambda: plan([Model(name="m", latency_s=1, reach=2, memory=1)], [Device(memory=1)]),
     r"^model 'm' needs a positive latency, a reach above 0 and at most 1, and no negative size$"),
])
def test_messages(call, message):
    with pytest.raises(PlannerError, match=message):
        call()
