"""The model against the simulated hardware."""
from __future__ import annotations

import json

import pytest

from nigiri.cli import main
from nigiri.cycles import predict
from nigiri.cycles.check import check_program, summary
from nigiri.runtime.driver import Driver
from nigiri.spec import descriptor, get_config
from nigiri.spec.descriptor import Opcode
from nigiri.spec.memory import default_memory

pytestmark = pytest.mark.verilator


@pytest.mark.parametrize(("config", "options"), [
    ("tiny", []),
    ("tiny", ["--cache", "random"]),
    ("small", ["--cache", "random", "--length", "4"]),
])
def test_random_layers(capsys, config, options):
    assert main(["bench", "cycle-model", "--config", config, "--count", "12", "--json", *options]) == 0
    got = json.loads(capsys.readouterr().out)
    assert len(got["layers"]) == 12
    assert any("resident" in x["name"] for x in got["layers"]) == bool(options)
    assert got["mean_abs_error"] < 0.02 and got["worst_abs_error"] < 0.08


@pytest.mark.parametrize("opcode", [Opcode.LOAD, Opcode.STORE])
def test_transfers(opcode):
    from nigiri_sim.device import RtlDevice

    config, words = get_config("tiny"), (1, 2, 7, 8, 9, 16, 17, 40)
    raw = {n: descriptor.pack(opcode=opcode, length=8 * n, mem_offset=8) for n in words}
    with RtlDevice(config) as device, Driver(device) as driver:
        driver.attach(64 * 64)
        for n in words:
            driver.write(0, raw[n])
            measured = driver.run(0, 1).cycles
            assert predict([descriptor.unpack(raw[n])], config).cycles == pytest.approx(measured, abs=2), n


@pytest.mark.parametrize("cached", [False, True])
def test_every_layer_of_a_network(toy, cached):
    from nigiri_sim.device import RtlDevice

    memory = default_memory(toy.config)
    boxes = {i: b for i, b in toy.subnet_boxes("mid").items() if b[0] * b[1] * b[2] < 60} if cached else {}
    with RtlDevice(toy.config, memory) as device, Driver(device) as driver:
        got = summary(check_program(driver, toy, "mid", memory, boxes))
    assert got["mean_abs_error"] < 0.02 and got["worst_abs_error"] < 0.08
    assert got["total_error"] == pytest.approx(0, abs=0.01)
