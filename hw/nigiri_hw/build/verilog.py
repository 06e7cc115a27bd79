"""Verilog of a configuration: hierarchy kept, ports named for Vivado's IP packager."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.top import Accelerator

__all__ = ["flat_ports", "generate", "module_name", "share_modules", "to_verilog"]

MODULE = re.compile(r"(?:^attribute [^\n]*\n)*^module (\\\S+)\n(.*?)^end\n", re.S | re.M)
CELL = re.compile(r"^  cell (\\\S+) ", re.M)
MEMINIT = re.compile(r"^  cell \$meminit_v2 .*?^  end\n", re.S | re.M)


def module_name(config: AcceleratorConfig) -> str:
    """Name of the top-level module."""
    return f"nigiri_{config.name}"


def flat_ports(component: wiring.Component) -> dict[str, tuple[Value, PortDirection]]:
    """Every port under its AMBA name: ``m0_axi_r`` and ``m0_axi_w`` both give ``m0_axi_...``."""
    ports: dict[str, tuple[Value, PortDirection]] = {}
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow is In else PortDirection.Output
        name = re.sub(r"_axi_[rw]_", "_axi_", "_".join(map(str, path)))
        if name in ports:
            raise ValueError(f"two ports are called {name!r}")
        ports[name] = (Value.cast(value), direction)
    return ports


def share_modules(text: str) -> str:
    """RTLIL with each set of identical modules replaced by its first one.

    Amaranth writes a module per instance; shared ones make the hierarchy readable, and simulation smaller and faster.
    """
    while renamed := _doubles(text):
        text = _replace(text, renamed)
    return text


def _doubles(text: str) -> dict[str, str]:
    """Module name -> name of the first module with the same body, for all but the first."""
    first: dict[str, str] = {}
    return {m[1]: first[m[2]] for m in MODULE.finditer(text) if first.setdefault(m[2], m[1]) != m[1]}


def _replace(text: str, renamed: dict[str, str]) -> str:
    """RTLIL without the modules in `renamed`, their instances renamed."""
    text = MODULE.sub(lambda m: "" if m[1] in renamed else m[0], text)
    return CELL.sub(lambda m: f"  cell {renamed.get(m[1], m[1])} ", text)


def to_verilog(text: str) -> str:
    """Verilog of RTLIL text, without initial contents of memories: none needs them, and they are most of the lines."""
    from amaranth._toolchain.yosys import find_yosys

    yosys = find_yosys(lambda ver: ver >= (0, 40))
    script = [
        f"read_rtlil <<rtlil\n{share_modules(MEMINIT.sub('', text))}\nrtlil",
        "proc -nomux -norom",
        "memory_collect",
        "write_verilog -norename",
    ]
    # Yosys always warns that some processes cannot be written as Verilog; Amaranth writes only those that can.
    return yosys.run(["-q", "-"], "\n".join(script), ignore_warnings=True)


@contextmanager
def _without_contents() -> Iterator[None]:
    """Keeps Amaranth from writing out every word of every memory: most of its time, for what MEMINIT removes again.

    This is a private function of Amaranth: where it is not there any more, it only takes longer.
    """
    emitter = getattr(rtlil, "ModuleEmitter", None)
    written = getattr(emitter, "emit_memory", None)
    if written is not None:
        emitter.emit_memory = lambda self, cell_idx, cell: None
    try:
        yield
    finally:
        if written is not None:
            emitter.emit_memory = written


@cache
def generate(config: AcceleratorConfig) -> str:
    """Verilog text of the accelerator; the same text every time for the same configuration and Yosys."""
    top = Accelerator(config)
    with _without_contents():
        text = rtlil.convert(top, name=module_name(config), ports=flat_ports(top), emit_src=False)
    return to_verilog(text)
