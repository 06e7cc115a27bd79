"""The cost of a SubNet without weights is the cost of the real one, cycle by cycle and byte by byte."""
from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from nigiri.compiler import compile_network
from nigiri.compiler.errors import CompileError
from nigiri.cycles import predict
from nigiri.cycles.best import best_subgraph
from nigiri.search.cost import NAME, blank, cost_of
from nigiri.search.evaluate import Machine
from nigiri.search.published import rank_correlation
from nigiri.search.screen import Screen
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory
from nigiri.zoo.build import FAMILIES, assemble, calibrated
from nigiri.zoo.plan import Choice

CHOICES = {
    "ofa_mbv3_w10": Choice(side=64, depth=(2, 2, 3, 2, 2), expand=(3, 4, 0, 0) * 2 + (6, 3, 4, 0) + (3, 3, 0, 0) * 2,
                           kernel=(3, 5, 0, 0) * 2 + (7, 3, 5, 0) + (3, 7, 0, 0) * 2),
    "ofa_resnet50": Choice(side=32, depth=(2, 0, 0, 1, 0), width=(0, 1, 0, 0, 1, 0), expand=(0.2, 0.25) * 9)}


@pytest.mark.parametrize("name", CHOICES)
def test_against_a_calibrated_network(name):
    family, choice, config = FAMILIES[name], CHOICES[name], get_config("kv260")
    network = assemble(family, {"x": (choice, calibrated(family, choice, 0))}, 0)
    compiled, memory = compile_network(network, config), default_memory(config)
    empty = compile_network(blank(family, choice), config)
    # the same program, but for what the constants say, at the same place
    moved = ("opcode", "layer", "in_base", "out_base", "mem_offset", "param_offset", "table_offset", "split", "flags")
    assert [[d[k] for k in moved] for d in empty.descriptors(NAME)] == [
        [d[k] for k in moved] for d in compiled.descriptors("x")]
    for cache in ("none", "best"):
        boxes = best_subgraph(compiled, "x", memory) if cache == "best" else {}
        want = predict(compiled.descriptors("x"), config, memory, boxes, offset=compiled.program("x")[0])
        got = cost_of(family, choice, config, memory, cache)
        assert (got.cycles, got.dram_bytes, got.pb_bytes) == (want.cycles, want.dram_bytes, want.nbytes["pb"])
        assert got.ms == want.cycles / 200e3
        info = network.subnets[0].info
        assert (got.macs, got.weight_bytes) == (info.macs, info.weight_bytes)
        assert all(v >= 0 for v in asdict(got).values()) and (got.pb_bytes > 0) == (cache == "best")


def test_what_does_not_fit():
    config, family = get_config("tiny"), FAMILIES["ofa_mbv3_w10"]
    with pytest.raises(CompileError, match=r"^Su(bNet candidate|perNet layer) .*configuration .tiny"):
        cost_of(family, CHOICES["ofa_mbv3_w10"], config, default_memory(config))


def test_guesses_are_in_order():
    config, family, rng = get_config("kv260"), FAMILIES["ofa_mbv3_w10"], np.random.default_rng(2)
    memory = default_memory(config)
    screen = Screen(Machine(network=family.name, config=config, memory=memory))
    base = CHOICES["ofa_mbv3_w10"]
    choices = [Choice(side=int(s), depth=base.depth, expand=base.expand, kernel=base.kernel)
               for s in rng.permutation([64, 96, 128])]
    ms = [cost_of(family, c, config, memory).ms for c in choices]
    assert rank_correlation([screen.facts(c)[-1] for c in choices], ms) == pytest.approx(1)
    points = np.array([[x, 70.0] for x in ms])
    picked = screen.best(choices, np.array([70.0, 70.0, 70.0]), 1, choices, points)
    assert picked == [choices[int(np.argmin(ms))]]
