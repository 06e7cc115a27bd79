"""`nigiri bitstream`: build the bitstream of a board where the tools for it are installed."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from nigiri import overlays
from nigiri.cli.extras import need
from nigiri.cli.output import say
from nigiri.runtime.errors import BadArgument, NigiriError
from nigiri.spec import get_config
from nigiri.spec.boards import get_board

__all__ = ["bitstream"]

SCRIPTS = Path(__file__).parents[3] / "bitstreams" / "vivado"


class BuildFailed(NigiriError):
    """A tool is missing or refused the design."""


def bitstream(board: Annotated[str, typer.Argument(help="pynq_z2, kv260 or zcu104.")],
              tools: Annotated[str, typer.Option(help="vivado, or open (PYNQ-Z2 only).")] = "vivado",
              folder: Annotated[Path | None, typer.Option(help="Where to work; build/bitstream/BOARD.")] = None,
              jobs: Annotated[int, typer.Option(min=1, help="Processes of Vivado.")] = 2,
              inputs_only: Annotated[bool, typer.Option("--inputs-only", help="Write what the tools take, and stop."
                                                        )] = False) -> None:
    """Build, check the timing, and install the bitstream with its .hwh and a manifest, where PYNQ finds them."""
    chosen = get_board(board)
    config, where = get_config(chosen.config), folder or Path("build/bitstream") / chosen.name
    if tools == "open":
        _open(chosen.name, where, inputs_only)
        return
    if tools != "vivado":
        raise BadArgument(f"unknown tools {tools!r}: choose vivado or open")
    settings = need("nigiri_hw.build.vivado", "hw").write_inputs(chosen, config, where, jobs)
    say(f"wrote {settings}")
    if inputs_only:
        return
    vivado = shutil.which("vivado")
    if vivado is None:
        raise BuildFailed("vivado is not on the PATH: source its settings64.sh, or build where it is installed "
                          f"({settings} is what {SCRIPTS / 'build.tcl'} takes)")
    command = [vivado, "-mode", "batch", "-source", str(SCRIPTS / "build.tcl"), "-tclargs", str(settings.resolve())]
    if subprocess.run(command, cwd=where).returncode:
        raise BuildFailed(f"vivado stopped with an error: see {where / 'vivado.log'}")
    version = subprocess.run([vivado, "-version"], capture_output=True, text=True).stdout.splitlines()[:1]
    target = Path(overlays.__file__).parent
    made = need("nigiri_hw.build.manifest", "hw").install(chosen, config, where, target,
                                                          {"vivado": version[0] if version else "unknown"})
    print(made)


def _open(board: str, where: Path, inputs_only: bool) -> None:
    flow = need("nigiri_hw.build.open_flow", "hw")
    missing = flow.missing_tools()
    try:
        if inputs_only or not missing or board != "pynq_z2":
            print(flow.build(where, place_and_route=not inputs_only, board=board))
            return
    except ValueError as error:
        raise BadArgument(str(error)) from error
    raise BuildFailed(f"the open tools are not all installed, missing: {', '.join(missing)}. See bitstreams/README.md")
