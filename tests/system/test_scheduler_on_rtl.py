"""The scheduler on the RTL: the same SushiSched object, with a latency table of the cycle model."""
from __future__ import annotations

import pytest

from nigiri.demo.predicted import predicted


@pytest.mark.verilator
@pytest.mark.slow
@pytest.mark.parametrize("load", [0.0, 0.7])
def test_every_latency_is_predicted(load):
    seed = 2026
    print(f"seed {seed}")
    got = predicted("pynq_z2", 100 if load == 0 else 40, seed, load=load)
    assert got["checked"] == got["queries"]                        # every answer is that of the golden model
    assert got["cache_changes"] >= got["queries"] // 20
    assert got["worst_error"] <= 0.005 and got["mean_error"] <= 0.005
    # Beside a fill the prediction is a bound: what is cached counts once all of it is there.
    assert got["longest_beside_a_fill"] <= 0.005 and got["shortest_beside_a_fill"] >= -0.1


@pytest.mark.verilator
def test_fills_take_what_the_model_says():
    from nigiri import bundle
    from nigiri.cycles.fills import fill_cost
    from nigiri.runtime.engine import Engine
    from nigiri.sched.subgraph import words
    from nigiri.sched.workload import workload
    from nigiri.spec import get_config
    from nigiri.spec.memory import default_memory
    from nigiri_sim.device import RtlDevice

    config = get_config("pynq_z2")
    memory = default_memory(config)
    loaded = bundle.load(bundle.demo_path())
    compiled = loaded.compiled(config)
    word, box, rate = fill_cost(config, memory)
    assert rate == pytest.approx(5.0) and word >= rate
    device = RtlDevice(config, memory)
    with Engine(device, compiled) as engine:
        for graph in workload(compiled, loaded.subnets, memory).candidates(6)[1:]:
            engine.cache({})
            before = device.cycles
            engine.cache(graph.boxes)
            used = device.cycles - before
            assert used == pytest.approx(word * words(graph.boxes) + box * len(graph.boxes), rel=0.02)
    device.close()
