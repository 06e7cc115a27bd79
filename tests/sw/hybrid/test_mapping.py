"""Operators to array or host: against every mapping, tried."""
import itertools
import random

import pytest
from hybrid_small import SPACE, config

from nigiri.hybrid.blank import blank
from nigiri.hybrid.estimate import Estimator
from nigiri.hybrid.mapping import Link, Operator, best_mapping, written
from nigiri.hybrid.space import HYBRID
from nigiri.spec import get_config, get_memory


def chain(rng, count):
    out, names = [], ["input"]
    for n in range(count):
        reads = tuple({names[-1], rng.choice(names)})
        array = None if rng.random() < 0.2 else rng.uniform(0, 1)
        out.append(Operator(name=f"o{n}", kind="x", array_ms=array, host_ms=rng.uniform(0, 3), reads=reads,
                            writes=(f"t{n}",)))
        names.append(f"t{n}")
    return out, {t: rng.randrange(1000, 400_000) for t in names}


def cost(operators, sizes, link, sides):
    last = {}
    for n, x in enumerate(operators):
        last |= dict.fromkeys(x.reads, n)
    ms, before = 0.0, True
    for n, (x, host) in enumerate(zip(operators, sides, strict=True)):
        if not host and x.array_ms is None:
            return float("inf")
        if host != before:
            ms += sum(sizes[t] for t in last if written(operators, t) < n <= last[t]) / (1e3 * link.mbytes_per_s)
            ms += 0 if host else link.launch_ms
        ms, before = ms + (x.host_ms if host else x.array_ms), host
    return ms + (0 if before else sizes[operators[-1].writes[0]] / (1e3 * link.mbytes_per_s))


@pytest.mark.parametrize("seed", range(12))
def test_best_of_all(seed):
    rng = random.Random(seed)
    operators, sizes = chain(rng, 8)
    link = Link(launch_ms=rng.uniform(0, 0.5), mbytes_per_s=rng.choice((50, 1000)))
    got = best_mapping(operators, sizes, link)
    want = min(cost(operators, sizes, link, s) for s in itertools.product((True, False), repeat=8))
    assert got.ms == pytest.approx(want)
    sides = [x.name in got.host for x in operators]
    assert cost(operators, sizes, link, sides) == pytest.approx(want)
    assert got.launches == sum(a and not b for a, b in zip([True, *sides], sides, strict=False))


@pytest.fixture(scope="module")
def estimator():
    return Estimator(space=SPACE, config=get_config("pynq_z2"), memory=get_memory("ddr3_z2"))


def test_forced_to_the_host(estimator):
    operators, sizes = estimator.operators(config()), estimator.bytes_of(config())
    host = best_mapping(operators, sizes, estimator.link, {x.name: True for x in operators})
    assert len(host.host) == len(operators) and host.launches == 0
    assert host.ms == pytest.approx(sum(x.host_ms for x in operators))


def test_softmax_is_on_the_host_and_relu_is_not_needed_there(estimator):
    assert {"s0b1.softmax", "s1b1.softmax"} <= set(estimator.latency(config("softmax")).host)
    assert estimator.operators(config("softmax"))[9].array_ms is not None
    assert all(x.array_ms is not None for x in estimator.operators(config()))


def test_sum_of_operators_is_the_compiled_subnet():
    estimator = Estimator(space=HYBRID, config=get_config("pynq_z2"), memory=get_memory("ddr3_z2"))
    rng = random.Random(3)
    for subnet in (HYBRID.largest(), HYBRID.smallest(), *(HYBRID.canonical(HYBRID.sample(rng)) for _ in range(4))):
        network, _, parts = blank(HYBRID, subnet)
        whole = sum(estimator.measured(network, parts).values())
        assert sum(x.array_ms or 0 for x in estimator.operators(subnet)) == pytest.approx(whole, rel=0.03)
    before = estimator.compiled
    estimator.latency(HYBRID.largest())
    assert estimator.compiled == before
