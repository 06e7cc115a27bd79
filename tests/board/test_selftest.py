"""The self-test: passes on devices that work, and says what is wrong with others."""
from __future__ import annotations

import json

import numpy as np
import pytest
from board_helpers import BOARDS_HERE

import nigiri
from nigiri.cli import main
from nigiri.model import GoldenDevice
from nigiri.selftest import run_selftest
from nigiri.selftest.patterns import patterns
from nigiri.spec import get_config
from nigiri.spec.boards import get_board
from nigiri.spec.registers import address

CHECKS = ["registers", "memory", "DMA", "inference", "cache", "interrupt", "clock", "speed"]


def failed(device) -> dict[str, str]:
    report = run_selftest(device, images=1)
    assert [r.name for r in report.results] == CHECKS
    return {r.name: r.detail for r in report.results if not r.passed}


def test_passes_on_a_simulated_board(capsys):
    assert main(["selftest", "--device", "sim:zcu104:golden", "--images", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["PASS", name] for name in CHECKS]
    assert lines[-1] == "zcu104: PASS" and "simulated, not measured" in lines[6]


@pytest.mark.verilator
def test_passes_on_the_rtl_with_interrupts(capsys):
    board = get_board(BOARDS_HERE[0])
    assert main(["selftest", "--device", f"sim:{board.name}", "--images", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] and report["config"] == board.config
    detail = {c["name"]: c["detail"] for c in report["checks"]}
    assert detail["interrupt"].endswith("of 4 waits ended by it") and not detail["interrupt"].startswith("0")


class Stuck(GoldenDevice):
    """A bit of a register that does not hold a one."""

    def read_register(self, at):
        return super().read_register(at) & (~16 if at == address("FILL_COUNT") else ~0)


class BadLane(GoldenDevice):
    """A data line of the memory that is always low."""

    def read(self, at, nbytes):
        data = super().read(at, nbytes)
        data[(np.arange(at, at + nbytes) % 8) == 3] &= 0xFB
        return data


class Overrun(GoldenDevice):
    """DMA that writes one word too many."""

    def write_register(self, at, value):
        super().write_register(at, value)
        stored = self.machine.counters["BYTES_ACT_OUT"]
        if at == address("CONTROL") and value & 1 and stored > 64 * 1024:
            base = self._registers["WINDOW_BASE_LO"] - self.memory.base
            self.memory.data[base + (2 + 2 * stored // 64 + 1) * 64] = 0


class Dead(GoldenDevice):
    """Programs end with an error."""

    def _start(self):
        super()._start()
        self._registers["STATUS"] |= 4
        self._registers["ERROR_CODE"] = 3


CONFIG = get_config("pynq_z2")


def test_a_stuck_register_bit():
    assert failed(Stuck(CONFIG)) == {"registers": "FILL_COUNT holds 0xffffffef after 0xffffffff was written"}


def test_a_bad_data_line():
    found = failed(BadLane(CONFIG))
    assert found["memory"].startswith("pattern ones: byte 3 is 0xfb, not 0xff (32768 of 262144 wrong)")


def test_a_write_beyond_the_end():
    assert "the guard beside the destination: byte 0 is 0x00, not 0xc3" in failed(Overrun(CONFIG))["DMA"]


def test_a_broken_program_is_reported_and_the_rest_goes_on():
    found = failed(Dead(CONFIG))
    assert set(found) == {"DMA", "inference", "cache", "speed"} | ({"interrupt"} & set(found))
    assert "(error 3, AXI_READ)" in found["inference"]


def test_exit_code_and_verdict(monkeypatch, capsys):
    from nigiri.cli import selftest as command

    monkeypatch.setattr(command, "connect", lambda *args, **kwargs: Stuck(CONFIG))
    assert main(["selftest", "--images", "1"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  registers" in out and out.endswith("pynq_z2: FAIL\n")


def test_a_real_clock_is_measured(monkeypatch):
    """A device that is not simulated has its cycles counted against the host's time."""
    device = GoldenDevice(CONFIG)
    device.simulated, ticks, speed = False, iter(range(0, 10**10, 1)), {"rate": 0}

    def read(at, real=device.read_register):
        if at == address("TICKS"):
            import time
            return int(time.perf_counter() * 1e6 * speed["rate"]) & 0xFFFFFFFF
        return real(at)
    monkeypatch.setattr(device, "read_register", read)
    speed["rate"] = 100
    assert "clock" not in failed(device)
    speed["rate"] = 150
    assert "100 MHz, built for 100, but 1" in failed(device)["clock"] and next(ticks) == 0


def test_patterns_touch_every_bit():
    data = np.array([d for _, d in patterns(1024)])
    assert (np.bitwise_or.reduce(data, axis=0) == 0xFF).all() and (np.bitwise_and.reduce(data, axis=0) == 0).all()
    assert len({d.tobytes() for d in data}) == len(data)


def test_connect_is_what_the_command_uses(monkeypatch):
    monkeypatch.setenv("NIGIRI_DEVICE", "golden:pynq_z2")
    device = nigiri.connect()
    assert device.name == "golden" and not failed(device)
