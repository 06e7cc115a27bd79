"""cocotb benches: on the copy stub (the runner itself), and the accelerator's bus interfaces."""
from dataclasses import replace
from pathlib import Path

import pytest

from nigiri.spec.config import get_config
from nigiri_hw.build.verilog import module_name
from nigiri_sim.cocotb_runner import run_bench
from nigiri_sim.errors import SimulationError
from nigiri_sim.source import verilog_of
from nigiri_sim.wrapper import id_wrapper

HERE = Path(__file__).parent
pytestmark = pytest.mark.verilator
DEFINES = {"PORTS": "2", "BITS": "128", "TWO": "1"}
STUB = (HERE / "rtl" / "copy_stub.v").read_text() + id_wrapper("nigiri_stub", 2, 128)


def test_stub(tmp_path):
    assert run_bench(STUB, top="bench", bench=HERE / "bench_stub.py", results=tmp_path, defines=DEFINES,
                     parameters={"BENCH_PORTS": "2"}) == 3


def test_a_failing_bench_is_noticed(tmp_path):
    with pytest.raises(SimulationError, match=r"(?s)^1 of 1 tests of bench_fails.py failed.*planted failure"):
        run_bench(STUB, top="bench", bench=HERE / "bench_fails.py", results=tmp_path, defines=DEFINES)


@pytest.mark.parametrize(("plant", "broken"), [
    (1, r"m\d_axi_ar: valid falls"), (2, r"m\d_axi_ar: the payload changes"), (9, r"m\d_axi_w: the payload changes")])
def test_the_monitors_notice_what_breaks_a_handshake(tmp_path, plant, broken):
    with pytest.raises(SimulationError, match=rf"(?s)bench_plant.py.*error: {broken} before ready"):
        run_bench(STUB, top="bench", bench=HERE / "bench_plant.py", results=tmp_path, defines=DEFINES,
                  parameters={"BENCH_PORTS": "2", "BENCH_PLANT": str(plant)})


def test_accelerator(tmp_path):
    config = get_config("tiny")
    verilog = verilog_of(config) + id_wrapper(module_name(config), config.ports, config.port_bits)
    assert run_bench(verilog, top="bench", bench=HERE / "bench_axi.py", results=tmp_path,
                     parameters={"BENCH_CONFIG": config.name}) == 10


@pytest.mark.parametrize(("ports", "bits"), [(1, 64), (2, 128)], ids=["narrow", "wide"])
def test_bus(tmp_path, ports, bits):
    """Everything a bus may do, on one narrow port and on two wide ones."""
    config = replace(get_config("tiny"), ports=ports, port_bits=bits)
    verilog = verilog_of(config) + id_wrapper(module_name(config), ports, bits)
    assert run_bench(verilog, top="bench", bench=HERE / "bench_bus.py", results=tmp_path,
                     parameters={"BENCH_CONFIG": "tiny", "BENCH_PORTS": str(ports), "BENCH_BITS": str(bits)}) == 101
