"""Proofs of hardware properties, as deep as a test may take; `nigiri verify formal --deep` looks further."""
from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Assert, Elaboratable, Module, Signal

from nigiri.cli import main

if not shutil.which("z3", path=str(Path(sys.executable).parent)) and not shutil.which("z3"):
    pytest.skip("no Z3: pip install 'nigiri[formal]'", allow_module_level=True)

from nigiri_hw.build.synth import SynthesisError
from nigiri_hw.formal.properties import PROPERTIES, run
from nigiri_hw.formal.prove import prove
from nigiri_hw.formal.streams import stable


@pytest.mark.parametrize("name", [p.name for p in PROPERTIES if p.quick])
def test_property(name):
    (proof,) = run([name])
    assert proof.holds, proof.output[-2000:]


class _Source(Elaboratable):
    """Offers numbers; a bad one changes its offer while it waits."""

    def __init__(self, bad):
        self.bad, self.ready, self.valid, self.data = bad, Signal(), Signal(), Signal(4)

    def elaborate(self, platform):
        m = Module()
        stable(m, self.valid, self.ready, self.data, "offer")
        m.d.sync += self.valid.eq(1)
        with m.If((self.valid & self.ready) | self.bad):
            m.d.sync += self.data.eq(self.data + 1)
        return m


def test_a_broken_rule_is_found():
    for bad in (0, 1):
        design = _Source(bad)
        proof = prove("offer", design, [design.ready, design.data], 5)
        assert proof.holds == (not bad), proof.output
    design = _Source(0)
    assert prove("offer", design, [design.ready], 2, "induction").holds


def test_induction_needs_its_base():
    """A register that says 1 for ever after it once does, and begins with 0: the step alone would hold."""
    class Stuck(Elaboratable):
        def elaborate(self, platform):
            m = Module()
            said, free = Signal(), Signal(name="free")
            m.d.sync += said.eq(said | free)
            m.d.comb += [free.eq(0), Assert(said)]
            return m
    assert not prove("stuck", Stuck(), [], 1, "induction").holds


def test_a_design_without_assertions_proves_nothing():
    class Empty(Elaboratable):
        def elaborate(self, platform):
            m = Module()
            m.d.sync += Signal(name="x").eq(1)
            return m
    with pytest.raises(SynthesisError, match=r"^nothing has no assertion left to prove$"):
        prove("nothing", Empty(), [], 3)


def test_command(capsys):
    assert main(["verify", "formal", "--name", "queue_window", "--json"]) == 0
    assert '"holds": true' in capsys.readouterr().out
    assert main(["verify", "formal", "--name", "x"]) == 2
    assert "there is no property 'x': choose of fifo, control" in capsys.readouterr().err
