"""PYNQ-Z2 with open tools: Yosys, nextpnr-xilinx and prjxray's, through Amaranth's platform for them."""

import shutil
from pathlib import Path

from amaranth.vendor import XilinxPlatform

from nigiri.spec.boards import get_board
from nigiri.spec.config import get_config
from nigiri_hw.build.ps7 import ZynqTop

__all__ = ["PynqZ2Platform", "build", "missing_tools"]


class PynqZ2Platform(XilinxPlatform):
    """The part of a PYNQ-Z2; the design needs no pins, as everything goes through the processing system.

    Amaranth's own templates leave block RAM out and aim at 12 MHz: these do not.
    """

    device, package, speed = "xc7z020", "clg400", "1"
    resources, connectors = [], []

    def __init__(self):
        super().__init__(toolchain="Xray")

    _xray_command_templates = [  # noqa: RUF012
        r"""
        {{invoke_tool("yosys")}}
            -p "read_verilog -sv {{name}}.v; synth_xilinx -flatten -family xc7 -top {{name}}; write_json {{name}}.json"
        """,
        r"""
        {{invoke_tool("nextpnr-xilinx")}}
            --chipdb $CHIPDB_DIR/{{platform._xray_device}}.bin
            --xdc {{name}}.xdc
            --json {{name}}.json
            --freq {{get_override("nextpnr_mhz")|default("100")}}
            --seed {{get_override("nextpnr_seed")|default("1")}}
            --write {{name}}_routed.json
            --fasm {{name}}.fasm
        """,
        *XilinxPlatform._xray_command_templates[2:],
    ]


def missing_tools() -> list[str]:
    """Programs of the flow that are not on the PATH."""
    return [tool for tool in PynqZ2Platform._xray_required_tools if shutil.which(tool) is None]


def build(folder: Path, *, board: str = "pynq_z2", place_and_route: bool = True) -> Path:
    """Write the flow's inputs and scripts into `folder`, and run them; returns the script or the bitstream.

    Raises ValueError for another board than the PYNQ-Z2: only its part has open place and route.
    """
    chosen = get_board(board)
    if chosen.name != "pynq_z2":
        raise ValueError(f"the open tools know the PYNQ-Z2's part only, not {chosen.title}'s")
    plan = PynqZ2Platform().build(
        ZynqTop(get_config(chosen.config)), name="nigiri", do_build=False, nextpnr_mhz=f"{chosen.fclk_mhz:g}"
    )
    if place_and_route:
        plan.execute_local(str(folder))
    else:
        plan.extract(str(folder))
    return folder / ("nigiri.bit" if place_and_route else "build_nigiri.sh")
