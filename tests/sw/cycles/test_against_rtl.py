"""The model against the simulated hardware."""
from __future__ import annotations

import json

import pytest

from nigiri.cli import main
from nigiri.cycles.check import check_program, summary
from nigiri.runtime.driver import Driver
from nigiri.spec.memory import default_memory

pytestmark = pytest.mark.verilator


def test_random_layers(capsys):
    assert main(["bench", "cycle-model", "--config", "tiny", "--count", "12", "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert len(got["layers"]) == 12
    assert got["mean_abs_error"] < 0.02 and got["worst_abs_error"] < 0.08


@pytest.mark.parametrize("cached", [False, True])
def test_every_layer_of_a_network(toy, cached):
    from nigiri_sim.device import RtlDevice

    memory = default_memory(toy.config)
    boxes = {i: b for i, b in toy.subnet_boxes("mid").items() if b[0] * b[1] * b[2] < 60} if cached else {}
    with RtlDevice(toy.config, memory) as device, Driver(device) as driver:
        got = summary(check_program(driver, toy, "mid", memory, boxes))
    assert got["mean_abs_error"] < 0.02 and got["worst_abs_error"] < 0.08
    assert got["total_error"] == pytest.approx(0, abs=0.01)
