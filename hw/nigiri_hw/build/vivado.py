"""What Vivado's scripts in bitstreams/vivado need of a board: Verilog, settings and the register table, as files."""

from pathlib import Path

from nigiri.spec import ip
from nigiri.spec.boards import Board
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.registers import SPAN
from nigiri_hw.build.verilog import generate, module_name

__all__ = ["registers_tcl", "settings_tcl", "write_inputs"]


def _braced(text: object) -> str:
    """A Tcl word; our texts have no braces of their own."""
    return "{" + str(text) + "}"


def registers_tcl() -> str:
    """The list `registers`: name, offset, size, access, description, and {name lsb width} of each field."""
    lines = ["set registers {"]
    for r in ip.ip_registers():
        fields = " ".join(_braced(f"{f.name} {f.lsb} {f.width}") for f in r.fields)
        lines.append(f"    {{{r.name} {r.offset:#05x} {r.size} {r.access} {_braced(r.doc)} {{{fields}}}}}")
    return "\n".join([*lines, "}"]) + "\n"


def settings_tcl(board: Board, config: AcceleratorConfig, folder: Path, jobs: int = 2) -> str:
    """The array `settings`."""
    vendor, library, name, version = ip.VLNV.split(":")
    values = {
        "folder": folder,
        "repository": folder / "ip",
        "verilog": folder / f"{module_name(config)}.v",
        "top": module_name(config),
        "family": board.family,
        "part": board.part,
        "board_part": board.board_part,
        "config": config.name,
        "ports": config.ports,
        "port_bits": config.port_bits,
        "fclk_mhz": f"{board.fclk_mhz:g}",
        "ip_base": f"{board.ip_base:#x}",
        "intc_base": f"{board.intc_base:#x}",
        "instance": ip.INSTANCE,
        "vlnv": ip.VLNV,
        "vendor": vendor,
        "library": library,
        "name": name,
        "version": version,
        "span": SPAN,
        "jobs": jobs,
    }
    return "array set settings {\n" + "".join(f"    {k} {_braced(v)}\n" for k, v in values.items()) + "}\n"


def write_inputs(board: Board, config: AcceleratorConfig, folder: Path, jobs: int = 2) -> Path:
    """Write Verilog and settings into `folder`; returns the settings file, which Vivado's build.tcl takes.

    Raises ValueError when the configuration has more data ports than the board.
    """
    if config.ports > board.data_ports:
        raise ValueError(
            f"configuration {config.name!r} has {config.ports} data ports, {board.title} {board.data_ports}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module_name(config)}.v").write_text(generate(config))
    path = folder / "settings.tcl"
    path.write_text(settings_tcl(board, config, folder.resolve(), jobs) + "\n" + registers_tcl())
    return path
