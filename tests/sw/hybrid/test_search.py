"""Space, accuracy model and evolutionary search."""
import random
from dataclasses import asdict, replace

import numpy as np
import pytest
from hybrid_small import SPACE, config

from nigiri.hybrid.blank import blank
from nigiri.hybrid.estimate import Estimator
from nigiri.hybrid.predictor import PENALTY, config_of, features, fit
from nigiri.hybrid.search import evolve, mutate
from nigiri.hybrid.space import ATTENTION, HYBRID
from nigiri.runtime.errors import BadArgument
from nigiri.spec import get_config, get_memory


def drawn(count, seed=0, space=SPACE):
    rng = random.Random(seed)
    return [space.canonical(space.sample(rng)) for _ in range(count)]


def test_cost_is_the_sum_of_the_layers():
    for c in [*drawn(20), *drawn(5, space=HYBRID)]:
        space = SPACE if len(c.depths) == 2 else HYBRID
        network, steps, _ = blank(space, c)
        macs = weights = 0
        for x in steps:
            if hasattr(x, "weights"):
                s = network.super_layer(x)
                height, width = network.out_side(x)
                one = x.cout * (1 if s.depthwise else x.cin) * x.kernel**2
                macs += one * height * width
                weights += 0 if s.product else one
        assert space.cost(c) == (macs, weights)


def test_canonical_and_samples():
    for c in drawn(50):
        assert SPACE.canonical(c) == c
        other = mutate(SPACE, c, random.Random(1))
        assert SPACE.canonical(other) == other
        assert all(not k or SPACE.elastic(b) for k, b in zip(c.kinds, SPACE.blocks, strict=True))
    assert any(ATTENTION in c.kinds for c in drawn(50))
    plain = SPACE.without_attention()
    assert not any(any(plain.sample(random.Random(n)).kinds) for n in range(20))
    assert config_of({k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config()).items()}) == config()


def test_accuracy_model_finds_what_decides():
    configs = drawn(60)
    x = np.array([features(SPACE, c) for c in configs])
    truth = np.random.default_rng(0).normal(size=x.shape[1])
    model = fit(SPACE, configs, 80 + x @ truth)
    assert model.error < 0.5
    assert model.predict(configs[3]) == pytest.approx(80 + x[3] @ truth, abs=0.5)
    # The closed form against leaving every one out.
    y, errors = 80 + x @ truth, []
    for n in range(len(y)):
        a, b = np.delete(x, n, 0), np.delete(y, n) - y.mean()
        w = np.linalg.solve(a.T @ a + PENALTY * np.eye(x.shape[1]), a.T @ b)
        errors.append(y[n] - y.mean() - x[n] @ w)
    assert model.error == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    with pytest.raises(BadArgument, match="needs at least 10 measured SubNets, not 3"):
        fit(SPACE, configs[:3], [1, 2, 3])


def test_evolution_finds_the_front():
    configs = drawn(60)
    rng = np.random.default_rng(3)
    model = fit(SPACE, configs, [80 + 2 * any(c.kinds) + sum(c.expands) / 10 + rng.normal(0, 0.01) for c in configs])
    estimator = Estimator(space=SPACE, config=get_config("pynq_z2"), memory=get_memory("ddr3_z2"))
    found = evolve(SPACE, model, estimator, evaluations=150, population=16)
    assert found == evolve(SPACE, model, estimator, evaluations=150, population=16)
    assert [x.mapped.ms for x in found] == sorted(x.mapped.ms for x in found)
    assert [x.accuracy for x in found] == sorted(x.accuracy for x in found)
    assert any(ATTENTION in x.config.kinds for x in found)
    plain = evolve(SPACE.without_attention(), model, estimator, evaluations=100, population=16)
    assert not any(ATTENTION in x.config.kinds for x in plain)
    with pytest.raises(BadArgument, match="population must have 4 to 10 SubNets"):
        evolve(SPACE, model, estimator, evaluations=10, population=64)


def test_equal_nets_are_equal():
    assert SPACE.canonical(replace(config(kinds=(0, 0, 0, 0)), norm="softmax", heads=(2, 2, 2, 2))) == \
        SPACE.canonical(config(kinds=(0, 0, 0, 0)))
